"""The folded wing: primaries, secondaries and two rows of coverts, feather by feather."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from regionwise.data.birds.canvas import Layer, box_around
from regionwise.data.birds.curves import Frame, Points, closed, disc, feather
from regionwise.data.birds.palette import BASE, DARK, INK, LIGHT, WING, code
from regionwise.data.birds.pose import Pose

Segment = tuple[tuple[float, float], tuple[float, float], float]

_FLIGHT = {
    "rounded": (0.70, 0.035, 0.105),
    "pointed": (0.96, 0.075, 0.085),
    "broad": (0.74, 0.035, 0.125),
    "tapered": (0.86, 0.060, 0.080),
    "long": (1.02, 0.060, 0.095),
}
"""Reach of the longest feather, droop of its tip, and width, in body lengths."""

_SHOULDER = closed(
    [
        (0.09, -0.01),
        (0.04, -0.10),
        (-0.10, -0.14),
        (-0.20, -0.10),
        (-0.21, 0.02),
        (-0.12, 0.13),
        (0.02, 0.10),
    ]
)
_BACKGROUND = closed(
    [
        (0.05, -0.06),
        (-0.20, -0.12),
        (-0.42, -0.08),
        (-0.58, 0.02),
        (-0.42, 0.10),
        (-0.15, 0.16),
        (0.02, 0.10),
    ]
)


@cache
def _flight(shape: str) -> tuple[Segment, ...]:
    """Return the long feathers, from the lowest and longest primary up to the tertials."""
    reach, droop, width = _FLIGHT[shape]
    count = 7
    feathers = []
    for i in range(count):
        t = i / (count - 1)
        start = (-0.06 - 0.10 * t, 0.115 - 0.20 * t)
        tip = (-reach + (reach - 0.44) * t**0.8, droop - 0.105 * t)
        feathers.append((start, tip, width * (1.0 + 0.15 * t)))
    return tuple(feathers)


def _row(x: float, lean: float, length: float, count: int) -> list[Segment]:
    """Return a row of coverts across the wing, from its lower edge up."""
    rows = []
    for i in range(count):
        t = i / (count - 1)
        y = 0.125 - 0.225 * t
        start = (x - lean * t, y)
        rows.append((start, (start[0] - length, y - 0.005 + 0.02 * t), 0.30 / count))
    return rows


_GREATER = _row(-0.07, 0.06, 0.19, 6)
_MEDIAN = _row(-0.01, 0.07, 0.12, 6)


def near_wing(pose: Pose, pixels: int) -> Layer:
    """Draw the wing on the side of the viewer on a layer of its own."""
    shape = pose.look.wing_shape.removesuffix("-wings")
    flight = _flight(shape)
    corners = pose.wing(np.array([(0.15, -0.25), (0.15, 0.28), (-1.1, 0.28), (-1.1, -0.25)]))
    layer = Layer(box_around(corners, 3.0, pixels))
    part = pose.part("near wing")
    layer.polygon(pose.wing(_BACKGROUND), part, _code(pose, DARK))
    _feathers(layer, pose, flight, _flight_tones(pose.look.wing_pattern))
    _feathers(layer, pose, _GREATER, _covert_tones(pose.look.wing_pattern))
    _feathers(layer, pose, _MEDIAN, _covert_tones(pose.look.wing_pattern))
    layer.polygon(pose.wing(_SHOULDER), part, _code(pose, BASE))
    _pattern(layer, pose, flight)
    return layer


def far_wing(pose: Pose, pixels: int) -> Layer:
    """Draw what shows of the wing behind the body."""
    flight = _flight(pose.look.wing_shape.removesuffix("-wings"))
    corners = pose.far_wing(np.array([(0.15, -0.25), (0.15, 0.28), (-1.1, 0.28), (-1.1, -0.25)]))
    layer = Layer(box_around(corners, 3.0, pixels))
    part = pose.part("far wing")
    layer.polygon(pose.far_wing(_BACKGROUND), part, _code(pose, DARK))
    for number, (start, tip, width) in enumerate(flight):
        tone = DARK if number % 2 else BASE
        layer.polygon(pose.far_wing(feather(start, tip, width)), part, _code(pose, tone))
    return layer


def _code(pose: Pose, tone: int) -> int:
    return code(pose.first, WING, tone)


def _flight_tones(pattern: str) -> Sequence[int]:
    if pattern == "striped":
        return (BASE, INK)
    return (BASE,)


def _covert_tones(pattern: str) -> Sequence[int]:
    return (BASE, INK) if pattern == "striped" else (BASE,)


def _feathers(layer: Layer, pose: Pose, row: Sequence[Segment], tones: Sequence[int]) -> None:
    """Draw feathers in order, each with a dark edge below and a light one above."""
    part = pose.part("near wing")
    for number, (start, tip, width) in enumerate(row):
        tone = tones[number % len(tones)]
        for color, size, shift in ((DARK, 1.0, 0.0), (LIGHT, 0.86, -0.004), (tone, 0.72, 0.004)):
            shape = feather(start, tip, width * size) + np.array(
                [0.006 * (1.0 - size) / 0.3, shift]
            )
            layer.polygon(pose.wing(shape), part, _code(pose, color))


def _pattern(layer: Layer, pose: Pose, flight: Sequence[Segment]) -> None:
    part, pattern = pose.part("near wing"), pose.look.wing_pattern
    if pattern == "spotted":
        layer.inside(part, [pose.wing(spot) for spot in _SPOTS], _code(pose, INK))
    if pattern == "multi-colored":
        bars = [_bar(pose.wing, row) for row in (_GREATER, _MEDIAN)]
        layer.inside(part, bars, _code(pose, INK))
        ends = [pose.wing(feather(_along(s, t, 0.62), t, w * 0.9)) for s, t, w in flight[:4]]
        layer.inside(part, ends, _code(pose, INK))


def _bar(frame: Frame, row: Sequence[Segment]) -> Points:
    """Return the band over the tips of a row of coverts: a wing bar."""
    tips = [tip for _, tip, _ in row]
    front = [(x + 0.062, y + 0.012) for x, y in tips]
    back = [(x - 0.004, y + 0.012) for x, y in tips]
    return frame(np.array(front + back[::-1]))


def _along(start: tuple[float, float], tip: tuple[float, float], t: float) -> tuple[float, float]:
    return start[0] + (tip[0] - start[0]) * t, start[1] + (tip[1] - start[1]) * t


_SPOTS = tuple(
    disc(0.027, -0.02 - 0.10 * column - 0.05 * (row % 2), -0.09 + 0.068 * row, 12)
    for row in range(4)
    for column in range(8)
)
