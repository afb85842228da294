"""Layers of codes: which part a pixel is of, and which paint it has.

Drawing codes rather than colours is fast, gives exact masks, and leaves the colours to a palette.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw

from regionwise.data.birds.curves import Points

Box = tuple[int, int, int, int]


class Layer:
    """Two pictures of codes, parts and paints, over the ``box`` (left, top, right, bottom)."""

    def __init__(self, box: Box) -> None:
        self.box = box
        self._origin = np.array(box[:2], dtype=np.float64)
        size = (box[2] - box[0], box[3] - box[1])
        self.part = Image.new("L", size)
        self.paint = Image.new("L", size)
        self._draw_part = ImageDraw.Draw(self.part)
        self._draw_paint = ImageDraw.Draw(self.paint)

    def polygon(self, points: Points, part: int, paint: int) -> None:
        """Fill an outline, given in the pixels of the picture."""
        flat = self._local(points)
        self._draw_part.polygon(flat, fill=part)
        self._draw_paint.polygon(flat, fill=paint)

    def inside(self, part: int, shapes: Collection[Points], paint: int) -> None:
        """Paint outlines only where the layer shows ``part``; the parts stay as they are."""
        mask = Image.new("L", self.part.size)
        draw = ImageDraw.Draw(mask)
        for points in shapes:
            draw.polygon(self._local(points), fill=255)
        own = self.part.point(_only(part))
        self.paint.paste(paint, mask=ImageChops.darker(mask, own))

    def clip(self, outline: Points) -> None:
        """Clear everything outside ``outline``."""
        mask = Image.new("L", self.part.size)
        ImageDraw.Draw(mask).polygon(self._local(outline), fill=255)
        self.part.paste(ImageChops.darker(self.part, mask))
        self.paint.paste(ImageChops.darker(self.paint, mask))

    def merge(self, upper: Layer, removed: Collection[int] = ()) -> None:
        """Lay ``upper`` over this layer, without the parts whose ids are in ``removed``."""
        mask = upper.part.point(_all_but(frozenset((0, *removed))))
        place = (upper.box[0] - self.box[0], upper.box[1] - self.box[1])
        self.part.paste(upper.part, place, mask)
        self.paint.paste(upper.paint, place, mask)

    def _local(self, points: Points) -> list[float]:
        flat: list[float] = (points - self._origin).ravel().tolist()
        return flat


def box_around(points: Points, margin: float, limit: int, step: int = 1) -> Box:
    """Return the box around points, within ``limit`` pixels, on multiples of ``step``."""
    low = np.floor((points.min(axis=0) - margin) / step) * step
    high = np.ceil((points.max(axis=0) + margin) / step) * step
    left, top = (int(v) for v in np.clip(low, 0, limit - step))
    right, bottom = (int(v) for v in np.clip(high, 0, limit))
    return left, top, max(right, left + step), max(bottom, top + step)


@cache
def _only(wanted: int) -> list[int]:
    return [255 if code == wanted else 0 for code in range(256)]


@cache
def _all_but(codes: frozenset[int]) -> list[int]:
    return [0 if code in codes else 255 for code in range(256)]
