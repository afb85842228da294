"""One place in a panel or sheet: a picture, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from regionwise.pictures.canvas import Box, Canvas
from regionwise.pictures.overlay import overlay


@dataclass(frozen=True)
class Cell:
    """A picture (h w 3), or ``None`` and a ``note`` on why it is missing."""

    picture: UInt8[np.ndarray, "h w 3"] | None
    note: str = ""


def overlay_cell(
    image: UInt8[np.ndarray, "h w 3"],
    saliency: Float[np.ndarray, "h w"],
    reasons: Sequence[str] = (),
) -> Cell:
    """Return the overlay, or a note with the ``reasons`` why the map says nothing.

    Raises:
        InputError: the sizes differ, or ``saliency`` is not within [0, 1].
    """
    if reasons:
        return Cell(None, "blank: " + ", ".join(reasons))
    return Cell(overlay(image, saliency))


def draw_cell(canvas: Canvas, box: Box, cell: Cell) -> None:
    """Draw the picture of ``cell`` into ``box``, or its note where the picture would be."""
    if cell.picture is None:
        canvas.note(box, cell.note or "no map")
    else:
        canvas.picture(box, cell.picture)


def readable(name: str) -> str:
    """Return a class name for reading: data sets write blanks as underscores."""
    return name.replace("_", " ")


def percent(probability: float) -> str:
    """Return a probability for reading: ``93.4%``, ``< 0.1%``, ``> 99.9%``."""
    if 0 < probability < 0.0005:
        return "< 0.1%"
    if 0.9995 <= probability < 1:
        return "> 99.9%"
    return f"{probability:.1%}"
