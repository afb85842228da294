"""Outlines: smooth curves, feathers and ribbons as arrays of points, and frames to pose them.

All outlines are ``(n, 2)`` arrays of x (forward) and y (down).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]


def closed(points: Sequence[tuple[float, float]], steps: int = 6) -> Points:
    """Return a smooth closed curve (Catmull-Rom); a repeated point is a corner."""
    knots = np.asarray(points, dtype=np.float64)
    before, after, further = (np.roll(knots, shift, axis=0) for shift in (1, -1, -2))
    spans = np.stack([before, knots, after, further])
    curve = np.einsum("wt,wkd->ktd", _catmull_rom(steps), spans)
    return np.ascontiguousarray(curve.reshape(-1, 2))


def disc(radius: float, x: float = 0.0, y: float = 0.0, steps: int = 20) -> Points:
    """Return a circle."""
    angle = np.linspace(0.0, 2.0 * math.pi, steps, endpoint=False)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)


def ribbon(
    points: Sequence[tuple[float, float]], widths: Sequence[float], steps: int = 5
) -> Points:
    """Return the outline of a smooth line through ``points``, as wide as ``widths`` at each."""
    knots = np.column_stack([np.asarray(points, dtype=np.float64), widths])
    knots = np.concatenate([2.0 * knots[:1] - knots[1:2], knots, 2.0 * knots[-1:] - knots[-2:-1]])
    spans = np.stack([knots[:-3], knots[1:-2], knots[2:-1], knots[3:]])
    line = np.einsum("wt,wkd->ktd", _catmull_rom(steps), spans).reshape(-1, 3)
    line = np.concatenate([line, knots[-2:-1]])
    along = np.empty_like(line[:, :2])
    along[1:-1] = (line[2:, :2] - line[:-2, :2]) / 2.0
    along[0], along[-1] = line[1, :2] - line[0, :2], line[-1, :2] - line[-2, :2]
    length = np.hypot(along[:, 0], along[:, 1]) + 1e-9
    across = np.stack([-along[:, 1], along[:, 0]], axis=1) * (0.5 * line[:, 2] / length)[:, None]
    return np.concatenate([line[:, :2] + across, (line[:, :2] - across)[::-1]])


@cache
def _catmull_rom(steps: int) -> Points:
    """Return the weights of the four knots around a span, ``(4, steps)``, from its start on."""
    t = np.linspace(0.0, 1.0, steps, endpoint=False)
    return np.stack(
        [
            -0.5 * t**3 + t**2 - 0.5 * t,
            1.5 * t**3 - 2.5 * t**2 + 1.0,
            -1.5 * t**3 + 2.0 * t**2 + 0.5 * t,
            0.5 * t**3 - 0.5 * t**2,
        ]
    )


def _feather(steps: int = 10) -> Points:
    t = np.linspace(0.0, 1.0, steps)
    half = 0.5 * np.minimum(1.0, 0.55 + 1.1 * t) * np.sqrt(np.maximum(0.0, 1.0 - t**5))
    upper = np.stack([t, -half], axis=1)
    return np.concatenate([upper, np.stack([t, half], axis=1)[::-1]])


_FEATHER = _feather()


@lru_cache(maxsize=4096)
def feather(start: tuple[float, float], tip: tuple[float, float], width: float) -> Points:
    """Return a feather from ``start`` to its rounded ``tip``; the array is shared, so read only."""
    along = np.array([tip[0] - start[0], tip[1] - start[1]])
    across = np.array([-along[1], along[0]]) / (math.hypot(*along) + 1e-9) * width
    points = np.asarray(_FEATHER @ np.stack([along, across]) + np.asarray(start))
    points.flags.writeable = False
    return points


@dataclass(frozen=True)
class Frame:
    """A placed, turned and stretched system of coordinates; calling it maps points out of it."""

    matrix: Points
    origin: Points

    def __call__(self, points: Points) -> Points:
        """Return where ``points`` lie outside this frame."""
        return np.asarray(points @ self.matrix + self.origin)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where the point (x, y) lies."""
        px, py = np.array([x, y]) @ self.matrix + self.origin
        return float(px), float(py)

    def child(
        self, x: float, y: float, *, angle: float = 0.0, sx: float = 1.0, sy: float = 1.0
    ) -> Frame:
        """Return a frame inside this one, at (x, y), turned by ``angle`` degrees clockwise."""
        a = math.radians(angle)
        turn = np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]])
        matrix = np.diag([sx, sy]) @ turn @ self.matrix
        return Frame(matrix, np.array([x, y]) @ self.matrix + self.origin)


def root_frame(x: float, y: float, scale: float, facing: int) -> Frame:
    """Return the frame of a bird: ``scale`` pixels per body length, mirrored if facing left."""
    return Frame(np.diag([scale * facing, scale]), np.array([x, y]))
