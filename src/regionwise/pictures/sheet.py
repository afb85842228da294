"""Many images by many methods on one page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from regionwise.errors import InputError
from regionwise.pictures.canvas import GREY, Box, Canvas, shortened, text_width
from regionwise.pictures.cell import Cell, draw_cell, percent, readable
from regionwise.pictures.colour_bar import bar_width, draw_colour_bar
from regionwise.pictures.scale import Scale, shared_scales

PAGE = 1000
"""Points that a page is wide when its cells are neither too small nor too large for it."""

MARGIN = 28
GUTTER = 8
SMALLEST_CELL, LARGEST_CELL = 76, 200
HEAD = 104
"""Points above the rule: title, scale and the methods' names."""
LINE, SETTINGS = 14, 12
"""Points more for each further line of a name, and for a line of settings."""
CAPTION = 28
"""Points above a row's pictures for the class explained."""


@dataclass(frozen=True)
class Row:
    """One image and one target: what was explained, and a cell for each method.

    ``continues`` says that the row above shows the same image for another target.
    """

    image: UInt8[np.ndarray, "h w 3"]
    name: str
    probability: float | None
    cells: tuple[Cell, ...]
    source: str = ""
    continues: bool = False


@dataclass(frozen=True)
class Layout:
    """Where things go, in points."""

    cell: int
    height: int
    columns: int
    rule: int
    settings: bool

    @property
    def right(self) -> int:
        """Return the right end of the last column."""
        return self.left(self.columns - 1) + self.cell

    def left(self, column: int) -> int:
        """Return the left end of a column; the image's own stands a little apart."""
        return MARGIN + column * (self.cell + GUTTER) + (GUTTER if column else 0)


def contact_sheet(
    rows: Sequence[Row],
    columns: Sequence[str],
    *,
    title: str = "",
    subtitle: str = "",
) -> Image.Image:
    """Return a page with a row for each image and target, a column for each method.

    Maps from 0 to 1 and signed maps have a colour bar each. Every signed map has its own limit.

    Raises:
        InputError: there is no row, or a row has not one cell for each column.
    """
    if not rows:
        raise InputError("a sheet needs at least one row")
    for row in rows:
        if len(row.cells) != len(columns):
            raise InputError(f"{len(row.cells)} cells in a row, but {len(columns)} columns")
    layout = _layout(rows, columns)
    tops = _tops(rows, layout)
    canvas = Canvas(layout.right + MARGIN, tops[-1] + layout.height + MARGIN)
    scales = shared_scales(replace(c.scale, limit=None) for row in rows for c in row.cells)
    _head(canvas, title, subtitle, scales)
    for index, column in enumerate(columns, start=1):
        _heading(canvas, layout, index, column)
    canvas.rule(MARGIN, layout.right, layout.rule)
    for row, top in zip(rows, tops, strict=True):
        _row(canvas, layout, row, top)
    return canvas.image


def _layout(rows: Sequence[Row], columns: Sequence[str]) -> Layout:
    """Share the page between the columns; the tallest image decides the height of all rows."""
    count = len(columns) + 1
    free = PAGE - 2 * MARGIN - count * GUTTER
    cell = min(max(free // count, SMALLEST_CELL), LARGEST_CELL)
    ratio = max(row.image.shape[0] / row.image.shape[1] for row in rows)
    height = round(cell * min(max(ratio, 0.5), 2.0))
    lines = max((len(_name_lines(column, cell)) for column in columns), default=1)
    settings = any(":" in column for column in columns)
    rule = HEAD + LINE * (lines - 1) + (SETTINGS if settings else 0)
    return Layout(cell=cell, height=height, columns=count, rule=rule, settings=settings)


def _tops(rows: Sequence[Row], layout: Layout) -> list[int]:
    """Return where each row's pictures begin; another image keeps more distance."""
    tops: list[int] = []
    below = layout.rule
    for row in rows:
        top = below + CAPTION + (GUTTER if tops and not row.continues else 0)
        tops.append(top)
        below = top + layout.height
    return tops


def _head(canvas: Canvas, title: str, subtitle: str, scales: Sequence[Scale]) -> None:
    """Write title and subtitle; draw one colour bar at the right of the title, or two rows."""
    room = canvas.width - 2 * MARGIN
    beside = room - 24 - max((bar_width(scale) for scale in scales), default=0)
    canvas.text((MARGIN, MARGIN + 16), shortened(title, 20, beside), size=20)
    below = beside if len(scales) > 1 or any(scale.note for scale in scales) else room
    canvas.text((MARGIN, MARGIN + 36), shortened(subtitle, 12, below), size=12, ink=GREY)
    top = MARGIN + 10 - 8 * (len(scales) - 1)
    for number, scale in enumerate(scales):
        draw_colour_bar(canvas, (canvas.width - MARGIN, top + 20 * number), scale)


def _heading(canvas: Canvas, layout: Layout, index: int, column: str) -> None:
    """Write a method's name above its column, its settings small below the name."""
    left = layout.left(index)
    settings = column.partition(":")[2]
    canvas.text((left, layout.rule - 8), shortened(settings, 10, layout.cell), size=10, ink=GREY)
    lowest = layout.rule - 9 - (SETTINGS if layout.settings else 0)
    for above, line in enumerate(reversed(_name_lines(column, layout.cell))):
        canvas.text((left, lowest - LINE * above), line, size=12)


def _name_lines(column: str, width: int) -> list[str]:
    """Break a method's name at a hyphen into two lines where one is too narrow for it."""
    name = column.partition(":")[0]
    breaks = [at + 1 for at, sign in enumerate(name) if sign == "-"]
    fitting = [at for at in breaks if text_width(name[:at], 12) <= width]
    if text_width(name, 12) <= width or not fitting:
        return [shortened(name, 12, width)]
    return [name[: fitting[-1]], shortened(name[fitting[-1] :], 12, width)]


def _row(canvas: Canvas, layout: Layout, row: Row, top: int) -> None:
    baseline = top - 9
    share = "" if row.probability is None else percent(row.probability)
    source = shortened(row.source, 10, layout.right // 3)
    room = layout.right - MARGIN - text_width(source, 10) - text_width(share, 13) - 32
    name = shortened(readable(row.name), 13, room)
    canvas.text((MARGIN, baseline), name, size=13)
    after = MARGIN + text_width(name, 13) + 8
    canvas.text((after, baseline), share, size=13, ink=GREY)
    canvas.text((layout.right, baseline), source, size=10, ink=GREY, anchor="rs")
    places = [Box(layout.left(i), top, layout.cell, layout.height) for i in range(layout.columns)]
    canvas.picture(places[0], row.image)
    for place, cell in zip(places[1:], row.cells, strict=True):
        draw_cell(canvas, place, cell)
