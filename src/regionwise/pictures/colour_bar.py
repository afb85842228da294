"""The scale of a heatmap: its colours from 0 to 1, the ends numbered."""

from __future__ import annotations

import numpy as np

from regionwise.pictures.canvas import GREY, Box, Canvas
from regionwise.pictures.colour import SEQUENTIAL, colour_table

WIDTH = 154
"""Points from the left of the 0 to the right of the 1."""


def draw_colour_bar(canvas: Canvas, at: tuple[int, int], *, colours: str = SEQUENTIAL) -> None:
    """Draw a horizontal bar between its two numbers; ``at`` is its left end and middle height."""
    left, middle = at
    canvas.text((left, middle), "0", size=11, ink=GREY, anchor="lm")
    ramp = np.repeat(colour_table(colours)[None], 16, axis=0)
    canvas.picture(Box(left + 13, middle - 4, 128, 8), ramp)
    canvas.text((left + WIDTH, middle), "1", size=11, ink=GREY, anchor="rm")
