"""Two classes side by side: what each region gives to either, and where they differ by how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from regionwise.pictures.canvas import GREY, Box, Canvas, shortened, text_width
from regionwise.pictures.cell import percent, readable
from regionwise.pictures.colour import colour_table
from regionwise.pictures.overlay import overlay, signed_overlay
from regionwise.pictures.values import Values, draw_values

SIDE, MARGIN, GAP, CAPTION, LINE = 300, 24, 14, 46, 17


@dataclass(frozen=True)
class Side:
    """One of the classes: its name, probability, map of contributions, and what to say of it."""

    name: str
    probability: float
    contributions: Float[np.ndarray, "h w"]
    values: Values
    words: str


@dataclass(frozen=True)
class Lead:
    """The difference of the classes: its map, values, and one line for each band.

    ``lines`` holds colour and text of each band.
    """

    total: float
    difference: Float[np.ndarray, "h w"]
    values: Values
    lines: Sequence[tuple[tuple[int, int, int], str]]


def band_colour(number: int, *, positive: bool) -> tuple[int, int, int]:
    """Return the ink of a band, the first the darkest; red leads, blue trails."""
    table = colour_table("RdBu_r", 257)
    step = min(number, 3) * 26
    red, green, blue = table[256 - step if positive else step].tolist()
    return red, green, blue


def comparison(
    image: UInt8[np.ndarray, "h w 3"],
    sides: tuple[Side, Side],
    lead: Lead,
    truth: UInt8[np.ndarray, "h w 3"] | None = None,
) -> Image.Image:
    """Return image, both classes, their difference and, if known, the true region on one page.

    The two classes share one scale, from zero to the larger of their maxima; the difference is red
    where the first leads, blue where the second does, on a scale of its own.

    Reference: after Chowdhury et al. 2024, Fig. 1, and Kim et al. 2021, Fig. 1 and 4.
    """
    columns = 4 + (truth is not None)
    high = round(SIDE * image.shape[0] / image.shape[1])
    foot = 30 + LINE * max(1, (len(lead.lines) + 1) // 2)
    canvas = Canvas(
        2 * MARGIN + columns * SIDE + (columns - 1) * GAP, 2 * MARGIN + high + 46 + foot
    )
    boxes = [Box(MARGIN + n * (SIDE + GAP), MARGIN + CAPTION, SIDE, high) for n in range(columns)]
    _head(canvas, boxes[0], "image", "")
    canvas.picture(boxes[0], image)
    top = max(float(side.contributions.max()) for side in sides) or 1.0
    for box, side in zip(boxes[1:3], sides, strict=True):
        _head(canvas, box, readable(side.name), percent(side.probability))
        covered = canvas.picture(box, overlay(image, np.clip(side.contributions / top, 0, 1)))
        draw_values(canvas, covered, side.values)
        canvas.text((box.left, box.top - 8), shortened(side.words, 11, SIDE), size=11, ink=GREY)
    _head(canvas, boxes[3], "difference", f"{lead.total:+.1%}")
    names = f"red: {readable(sides[0].name)}; blue: {readable(sides[1].name)}"
    canvas.text((boxes[3].left, boxes[3].top - 8), shortened(names, 11, SIDE), size=11, ink=GREY)
    covered = canvas.picture(boxes[3], signed_overlay(image, lead.difference))
    draw_values(canvas, covered, lead.values)
    if truth is not None:
        _head(canvas, boxes[4], "where they truly differ", "")
        canvas.picture(boxes[4], truth)
    _lines(canvas, lead, boxes[0].top + high + 30)
    return canvas.image


def _head(canvas: Canvas, box: Box, name: str, share: str) -> None:
    room = box.width - text_width(share, 15) - 12
    canvas.text((box.left, box.top - 27), shortened(name, 15, room), size=15)
    canvas.text((box.left + box.width, box.top - 27), share, size=15, ink=GREY, anchor="rs")


def _lines(canvas: Canvas, lead: Lead, top: int) -> None:
    """Write the bands in two columns, leads left and trails right as they come."""
    half = (len(lead.lines) + 1) // 2
    width = (canvas.width - 2 * MARGIN) // 2
    for number, (ink, text) in enumerate(lead.lines):
        left = MARGIN + (number // half) * width
        at = top + (number % half) * LINE
        canvas.block(Box(left, at - 9, 10, 10), ink)
        canvas.text((left + 18, at), shortened(text, 12, width - 30), size=12)
