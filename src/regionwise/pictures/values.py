"""Exact values written into the regions of an overlay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from regionwise.pictures.canvas import Box, Canvas, text_width

SMALLEST_REGION = 17
"""Points that a region must be wide for a number of two digits to be legible in it."""

LIGHT, DARK = (255, 255, 255), (20, 20, 24)


@dataclass(frozen=True)
class Values:
    """Numbers for some regions of a map.

    Attributes:
        rows: cells down.
        columns: cells across.
        texts: what is written, by (row, column).
        inks: colours of single cells; the others are white with a dark edge.
    """

    rows: int
    columns: int
    texts: Mapping[tuple[int, int], str]
    inks: Mapping[tuple[int, int], tuple[int, int, int]] = field(default_factory=dict)


def share_text(value: float) -> str:
    """Return a probability in per cent without its sign, as short as a region is small."""
    percent = 100 * abs(value)
    if percent >= 9.95:
        return f"{percent:.0f}"
    return f"{percent:.1f}" if percent >= 0.095 else f"{percent:.2f}".lstrip("0")


def draw_values(canvas: Canvas, box: Box, values: Values) -> bool:
    """Write the numbers into the regions of the picture in ``box``; say whether there was room."""
    wide, high = box.width / values.columns, box.height / values.rows
    longest = max(values.texts.values(), key=len, default="")
    size = next((s for s in (12, 11, 10, 9, 8, 7) if text_width(longest, s) <= wide - 2), 0)
    if wide < SMALLEST_REGION or not size or high < size:
        return False
    for (row, column), text in values.texts.items():
        at = (box.left + round((column + 0.5) * wide), box.top + round((row + 0.5) * high))
        ink = values.inks.get((row, column), LIGHT)
        canvas.outlined(at, text, size=size, ink=ink, edge=DARK if sum(ink) > 380 else LIGHT)
    return True
