"""Sheets and panels: everything in its place, nothing over the edge, the reason where a map is."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from regionwise.errors import InputError
from regionwise.pictures.canvas import EMPTY, PAPER
from regionwise.pictures.cell import Cell, overlay_cell, percent, signed_cell
from regionwise.pictures.encoding import encode_png
from regionwise.pictures.panel import Panel, panel
from regionwise.pictures.scale import Scale
from regionwise.pictures.sheet import MARGIN, Row, contact_sheet

LONG = "a class name that is much longer than any page is wide " * 8


def plain(colour: tuple[int, int, int], shape: tuple[int, int] = (32, 32)) -> np.ndarray:
    return np.full((*shape, 3), colour, np.uint8)


def row(count: int, **changes: object) -> Row:
    cells = tuple(Cell(plain((0, 0, 255))) for _ in range(count))
    given = Row(plain((255, 0, 0)), "wren", 0.93, cells, "a.jpg")
    return replace(given, **changes)


def names(count: int) -> list[str]:
    return [f"method-{index}" for index in range(count)]


def blocks(picture, colour: tuple[int, int, int], axis: int) -> int:
    """Count the runs of ``colour`` along an axis."""
    seen = (np.asarray(picture) == colour).all(-1).any(1 - axis)
    return int(np.sum(np.diff(seen.astype(int), prepend=0) == 1))


def ink_at_the_edges(picture) -> bool:
    pixels = np.asarray(picture)
    inner = pixels.copy()
    edge = MARGIN - 4
    inner[edge:-edge, edge:-edge] = PAPER
    return bool((inner != PAPER).any())


@pytest.mark.parametrize("methods", [1, 2, 5, 8, 11])
@pytest.mark.parametrize("images", [1, 3])
def test_a_cell_for_every_image_and_method(images, methods):
    sheet = contact_sheet([row(methods)] * images, names(methods), title="birds")
    assert blocks(sheet, (255, 0, 0), axis=0) == images
    assert blocks(sheet, (0, 0, 255), axis=1) == methods
    assert not ink_at_the_edges(sheet)


def test_a_page_of_up_to_eight_methods_is_at_most_a_thousand_points_wide():
    widths = [contact_sheet([row(n)], names(n)).width for n in range(1, 9)]
    assert widths[:3] == sorted(widths[:3])
    assert 1950 < max(widths) <= 2000
    assert contact_sheet([row(14)], names(14)).width > 2000


def test_long_names_stay_on_the_page_and_change_nothing_else():
    short = contact_sheet([row(3)], names(3), title="birds", subtitle="layer")
    long = contact_sheet(
        [row(3, name=LONG, source="x" * 300)],
        [f"{LONG}:{LONG}", *names(2)],
        title=LONG,
        subtitle=LONG,
    )
    assert long.width == short.width
    assert not ink_at_the_edges(long)
    assert blocks(long, (0, 0, 255), axis=1) == 3


def test_a_missing_cell_shows_its_reason_on_an_empty_block():
    blank = (Cell(None, "blank: no positive evidence"), Cell(plain((0, 0, 255))))
    sheet = contact_sheet([row(2, cells=blank)], names(2))
    empty = (np.asarray(sheet) == EMPTY).all(-1).sum()
    assert empty > 0.7 * 400 * 400
    unexplained = contact_sheet([row(2, cells=(Cell(None), blank[1]))], names(2))
    assert sheet.tobytes() != unexplained.tobytes()


def test_rows_of_one_image_stand_closer_than_rows_of_two():
    one = contact_sheet([row(1), row(1, continues=True)], names(1))
    two = contact_sheet([row(1), row(1)], names(1))
    assert one.height < two.height


@pytest.mark.parametrize("shape", [(20, 60), (60, 20), (8, 400)])
def test_other_proportions_stay_on_the_page(shape):
    cells = (Cell(plain((0, 0, 255), shape)),)
    sheet = contact_sheet([row(1, image=plain((255, 0, 0), shape), cells=cells)], names(1))
    assert blocks(sheet, (0, 0, 255), axis=1) == 1
    assert not ink_at_the_edges(sheet)


def test_the_same_bytes_every_time():
    first, second = (encode_png(contact_sheet([row(2)], names(2), title="t")) for _ in range(2))
    assert first == second


def test_a_sheet_needs_rows_and_a_cell_per_column():
    with pytest.raises(InputError, match="at least one row"):
        contact_sheet([], names(1))
    with pytest.raises(InputError, match="2 cells in a row, but 3 columns"):
        contact_sheet([row(2)], names(3))


def test_the_colour_bar_runs_from_black_to_yellow():
    pixels = np.asarray(contact_sheet([row(3)], names(3)))[: 2 * 60].reshape(-1, 3).astype(int)
    assert (np.abs(pixels - (252, 255, 164)).max(1) < 8).any()
    assert (np.abs(pixels - (0, 0, 4)).max(1) < 8).any()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_panel_for_every_target(count):
    picture = panel([Panel(Cell(plain((0, 0, 255))), "wren", 0.5)] * count, method="grad-cam")
    assert blocks(picture, (0, 0, 255), axis=1) == count
    wide = panel([Panel(Cell(plain((0, 0, 255))), LONG, 0.5)] * count, method=LONG, detail=LONG)
    assert wide.size == picture.size
    assert not ink_at_the_edges(wide)


def has(picture, colour: tuple[int, int, int]) -> bool:
    head = np.asarray(picture).reshape(-1, 3).astype(int)
    return bool((np.abs(head - colour).max(1) < 12).any())


RED_END, BLUE_END, PALE_YELLOW = (103, 0, 31), (5, 48, 97), (252, 255, 164)


def test_a_sheet_has_a_bar_for_every_kind_of_map_on_it():
    grey = plain((128, 128, 128))
    signed = [Cell(grey, scale=Scale(signed=True, limit=v, percentile=99.5)) for v in (1.0, 2.0)]
    kinds = {"plain": (Cell(grey),) * 2, "signed": tuple(signed), "both": (Cell(grey), signed[0])}
    sheets = {
        name: contact_sheet([row(2, image=grey, cells=cells)], names(2), title=LONG, subtitle=LONG)
        for name, cells in kinds.items()
    }
    assert [has(sheets[k], PALE_YELLOW) for k in kinds] == [True, False, True]
    assert [has(sheets[k], RED_END) for k in kinds] == [False, True, True]
    assert not any(ink_at_the_edges(sheet) for sheet in sheets.values())


def test_a_panel_of_signed_maps_has_a_bar_with_their_limit():
    def bar(*limits):
        cells = [
            Cell(plain((128, 128, 128)), scale=Scale(signed=True, limit=v, percentile=99.5))
            for v in limits
        ]
        return panel([Panel(cell, "wren", 0.5) for cell in cells], method=LONG, detail=LONG)

    assert has(bar(1.0), RED_END)
    assert has(bar(1.0), BLUE_END)
    assert not has(bar(1.0), PALE_YELLOW)
    assert bar(1.0, 1.0).tobytes() != bar(2.0, 2.0).tobytes()
    assert bar(1.0, 2.0).tobytes() == bar(3.0, 4.0).tobytes()
    assert not ink_at_the_edges(bar(0.0000123))


def test_a_signed_cell_keeps_its_scale_also_when_it_is_blank():
    image, values, scale = plain((9, 9, 9)), np.ones((32, 32)), Scale(signed=True, limit=2.0)
    assert signed_cell(image, values, scale, ("constant",)) == Cell(None, "blank: constant", scale)
    assert signed_cell(image, values, scale).scale == scale


def test_a_panel_without_a_map_says_why():
    picture = panel([Panel(Cell(None, "blank: zero gradient"), "wren")], method="grad-cam")
    assert (np.asarray(picture) == EMPTY).all(-1).mean() > 0.5


def test_a_flagged_map_is_no_picture():
    image, saliency = plain((9, 9, 9)), np.zeros((32, 32))
    assert overlay_cell(image, saliency, ("zero gradient",)) == Cell(None, "blank: zero gradient")
    assert overlay_cell(image, saliency).picture is not None


def test_percentages_never_pretend_to_be_certain():
    shown = [percent(p) for p in (0.0, 0.0004, 0.0006, 0.041, 0.5, 0.9994, 0.9996, 1.0)]
    assert shown[:4] == ["0.0%", "< 0.1%", "0.1%", "4.1%"]
    assert shown[4:] == ["50.0%", "99.9%", "> 99.9%", "100.0%"]


def test_captions_differ_with_the_probability():
    sheets = [contact_sheet([row(1, probability=p)], names(1)) for p in (0.1, 0.2, None)]
    assert all(a.tobytes() != b.tobytes() for a, b in pairwise(sheets))


def test_a_long_method_name_takes_a_second_line_at_a_hyphen():
    short = contact_sheet([row(11)], names(11))
    long = contact_sheet([row(11)], ["integrated-gradients", *names(10)])
    assert long.height == short.height + 2 * 14
    assert contact_sheet([row(2)], ["integrated-gradients", "x"]).width == 1360
