"""The scale of a heatmap: its colours from end to end, the ends named."""

from __future__ import annotations

import numpy as np

from regionwise.pictures.canvas import GREY, Box, Canvas, text_width
from regionwise.pictures.colour import DIVERGING, SEQUENTIAL, colour_table
from regionwise.pictures.scale import Scale

RAMP = 128
"""Points that the colours themselves are wide."""


def bar_width(scale: Scale) -> int:
    """Return the points from the left of the first label to the right of the last."""
    left, right = scale.ends
    return text_width(left, 11) + text_width(right, 11) + RAMP + 2 * _gap(scale)


def draw_colour_bar(canvas: Canvas, right_end: tuple[int, int], scale: Scale) -> None:
    """Draw a horizontal bar between its labels, its note below.

    ``right_end`` is the right of the last label at the middle height of the bar.
    """
    right, middle = right_end
    first, last = scale.ends
    left = right - bar_width(scale)
    canvas.text((left, middle), first, size=11, ink=GREY, anchor="lm")
    table = colour_table(DIVERGING, 257) if scale.signed else colour_table(SEQUENTIAL)
    start = left + text_width(first, 11) + _gap(scale)
    canvas.picture(Box(start, middle - 4, RAMP, 8), np.repeat(table[None], 16, axis=0))
    canvas.text((right, middle), last, size=11, ink=GREY, anchor="rm")
    if scale.signed:
        canvas.text((start + RAMP // 2, middle + 10), "0", size=9, ink=GREY, anchor="mm")
    canvas.text((right, middle + 22), scale.note, size=9, ink=GREY, anchor="rm")


def _gap(scale: Scale) -> int:
    return 6 if scale.signed else 7
