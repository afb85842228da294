"""Numbers in regions: short, in their places, and left out where there is no room."""

import numpy as np
import pytest

from regionwise.pictures.canvas import PAPER, Box, Canvas
from regionwise.pictures.cell import Cell, draw_cell
from regionwise.pictures.values import DARK, LIGHT, Values, draw_values, share_text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "100"),
        (0.5, "50"),
        (-0.123, "12"),
        (0.0995, "10"),
        (0.0994, "9.9"),
        (0.012, "1.2"),
        (0.001, "0.1"),
        (0.00095, "0.1"),
        (0.0009, ".09"),
        (-0.00006, ".01"),
    ],
)
def test_a_probability_in_per_cent_is_as_short_as_a_region_is_small(value, text):
    assert share_text(value) == text


def inked(canvas, colour=PAPER):
    """Where something was drawn, in points: rows and columns of its middle."""
    rows, columns = np.nonzero((np.asarray(canvas.image) != colour).any(-1))
    return (rows.min() + rows.max()) / 4, (columns.min() + columns.max()) / 4


@pytest.mark.parametrize("cell", [(0, 0), (0, 3), (1, 2)])
def test_a_number_stands_in_the_middle_of_its_region(cell):
    canvas = Canvas(200, 120)
    assert draw_values(canvas, Box(20, 10, 160, 80), Values(2, 4, {cell: "12"}))
    row, column = inked(canvas)
    assert row == pytest.approx(10 + 40 * (cell[0] + 0.5), abs=2)
    assert column == pytest.approx(20 + 40 * (cell[1] + 0.5), abs=2)


@pytest.mark.parametrize(("rows", "columns"), [(2, 12), (40, 4)])
def test_where_there_is_no_room_nothing_is_written(rows, columns):
    canvas = Canvas(200, 120)
    assert not draw_values(canvas, Box(0, 0, 190, 110), Values(rows, columns, {(0, 0): "12"}))
    assert (np.asarray(canvas.image) == PAPER).all()


def test_the_edge_of_a_number_is_dark_round_light_ink_and_light_round_dark():
    for ink, edge in ((LIGHT, DARK), ((120, 0, 0), LIGHT)):
        canvas = Canvas(60, 60)
        draw_values(canvas, Box(0, 0, 60, 60), Values(1, 1, {(0, 0): "88"}, {(0, 0): ink}))
        pixels = np.asarray(canvas.image).reshape(-1, 3)
        assert (pixels == ink).all(-1).any()
        assert (pixels == edge).all(-1).any()


def test_no_numbers_are_no_trouble():
    assert draw_values(Canvas(60, 60), Box(0, 0, 60, 60), Values(2, 2, {}))


def test_numbers_follow_a_picture_that_does_not_fill_its_place():
    """A wide picture lies in the middle of its cell, and its regions with it."""
    picture = np.full((40, 160, 3), PAPER, np.uint8)
    canvas = Canvas(160, 160)
    draw_cell(canvas, Box(0, 0, 160, 160), Cell(picture, values=Values(1, 4, {(0, 1): "12"})))
    row, column = inked(canvas)
    assert row == pytest.approx(80, abs=2)
    assert column == pytest.approx(60, abs=2)
    canvas = Canvas(160, 160)
    values = Values(2, 4, {(0, 1): "12"})
    draw_cell(canvas, Box(0, 0, 160, 160), Cell(picture, values=values))
    assert inked(canvas)[0] == pytest.approx(70, abs=2), "upper half of the picture, not of the box"
