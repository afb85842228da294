"""One place in a panel or sheet: a picture, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from regionwise.pictures.canvas import Box, Canvas
from regionwise.pictures.overlay import overlay, signed_overlay
from regionwise.pictures.scale import UNSIGNED, Scale
from regionwise.pictures.values import Values, draw_values


@dataclass(frozen=True)
class Cell:
    """A picture (h w 3) and its scale, or ``None`` and a ``note`` on why it is missing.

    ``values`` are written into its regions where there is room for them.
    """

    picture: UInt8[np.ndarray, "h w 3"] | None
    note: str = ""
    scale: Scale = UNSIGNED
    values: Values | None = None


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


def signed_cell(
    image: UInt8[np.ndarray, "h w 3"],
    values: Float[np.ndarray, "h w"],
    scale: Scale,
    reasons: Sequence[str] = (),
) -> Cell:
    """Return the overlay of signed values, or a note with the ``reasons`` for there being none.

    Raises:
        InputError: the sizes differ, or a value is not finite.
    """
    if reasons:
        return Cell(None, "blank: " + ", ".join(reasons), scale)
    return Cell(signed_overlay(image, values, limit=scale.limit), scale=scale)


def draw_cell(canvas: Canvas, box: Box, cell: Cell) -> None:
    """Draw the picture of ``cell`` into ``box``, or its note where the picture would be."""
    if cell.picture is None:
        canvas.note(box, cell.note or "no map")
        return
    covered = canvas.picture(box, cell.picture)
    if cell.values is not None:
        draw_values(canvas, covered, cell.values)


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
