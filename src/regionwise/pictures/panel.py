"""One method on one image: an overlay for each target, with class, probability and scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from regionwise.pictures.canvas import GREY, Box, Canvas, shortened, text_width
from regionwise.pictures.cell import Cell, draw_cell, percent, readable
from regionwise.pictures.colour_bar import bar_width, draw_colour_bar
from regionwise.pictures.scale import shared_scales

SIDE = 320
MARGIN = 24
GAP = 16


@dataclass(frozen=True)
class Panel:
    """An overlay and whose it is: the class explained and the model's probability for it.

    ``words`` say of an exact map which regions hold how much.
    """

    cell: Cell
    name: str
    probability: float | None = None
    words: str = ""


def panel(panels: Sequence[Panel], *, method: str, detail: str = "") -> Image.Image:
    """Return the ``panels`` side by side under their captions, one colour bar for all.

    ``method`` and ``detail`` (the layer, say) go into the bottom line. Signed cells with limits of
    their own share a bar from -max to +max without numbers.
    """
    width, height = _picture_size(panels)
    inner = len(panels) * width + (len(panels) - 1) * GAP
    scale = shared_scales(one.cell.scale for one in panels)[-1]
    foot = 52 + (14 if scale.note else 0)
    top = MARGIN + 26 + (16 if any(one.words for one in panels) else 0)
    canvas = Canvas(inner + 2 * MARGIN, top + height + MARGIN - 26 + foot)
    for index, one in enumerate(panels):
        left = MARGIN + index * (width + GAP)
        _caption(canvas, one, left, width)
        draw_cell(canvas, Box(left, top, width, height), one.cell)
    middle = top + height + 22
    draw_colour_bar(canvas, (canvas.width - MARGIN, middle), scale)
    room = canvas.width - 2 * MARGIN - bar_width(scale) - 16
    _bottom_line(canvas, (method, detail), middle, room)
    return canvas.image


def _picture_size(panels: Sequence[Panel]) -> tuple[int, int]:
    """Return width and height of a picture in points, its shorter side as long as ``SIDE``."""
    shapes = [one.cell.picture.shape for one in panels if one.cell.picture is not None]
    ratio = shapes[0][1] / shapes[0][0] if shapes else 1.0
    ratio = min(max(ratio, 0.5), 2.0)
    return (round(SIDE * max(ratio, 1.0)), round(SIDE / min(ratio, 1.0)))


def _caption(canvas: Canvas, one: Panel, left: int, width: int) -> None:
    share = "" if one.probability is None else percent(one.probability)
    room = width - text_width(share, 15) - 12
    canvas.text((left, MARGIN + 12), shortened(readable(one.name), 15, room), size=15)
    canvas.text((left + width, MARGIN + 12), share, size=15, ink=GREY, anchor="rs")
    words = shortened(one.words, 11, width)
    canvas.text((left, MARGIN + 31), words, size=11, ink=GREY)


def _bottom_line(canvas: Canvas, texts: tuple[str, str], middle: int, room: int) -> None:
    method, detail = shortened(texts[0], 12, room), texts[1]
    canvas.text((MARGIN, middle), method, size=12, anchor="lm")
    left = text_width(method, 12) + 8
    if detail and left + 30 < room:
        rest = shortened(detail, 12, room - left)
        canvas.text((MARGIN + left, middle), rest, size=12, ink=GREY, anchor="lm")
