"""The body of a bird: back, breast and belly, with their patterns."""

from __future__ import annotations

import numpy as np

from regionwise.data.birds.canvas import Layer, box_around
from regionwise.data.birds.curves import Points, closed, disc, ribbon
from regionwise.data.birds.palette import (
    BACK,
    BELLY,
    BREAST,
    DARK,
    INK,
    LIGHT,
    code,
)
from regionwise.data.birds.pose import Pose

OUTLINE = closed(
    [
        (-0.52, -0.06),
        (-0.36, -0.19),
        (-0.14, -0.28),
        (0.10, -0.34),
        (0.30, -0.38),
        (0.47, -0.30),
        (0.53, -0.06),
        (0.49, 0.14),
        (0.34, 0.29),
        (0.10, 0.35),
        (-0.14, 0.31),
        (-0.36, 0.18),
        (-0.50, 0.06),
    ]
)
"""The body in body lengths, chest to the right."""

_BACK = closed(
    [(0.62, -0.62), (0.40, -0.20), (0.18, -0.13), (-0.20, -0.09), (-0.60, -0.01), (-0.75, -0.5)]
)
_BREAST = closed(
    [(0.30, -0.30), (0.22, -0.10), (0.17, 0.12), (0.14, 0.50), (0.75, 0.55), (0.75, -0.40)]
)

_BACK_STREAKS = tuple(
    ribbon([(0.42, -0.33 + d), (0.05, -0.30 + d), (-0.50, -0.13 + d)], (0.02, 0.034, 0.02))
    for d in (0.015, 0.085, 0.155)
)
_BREAST_BARS = tuple(
    ribbon([(0.10, y + 0.03), (0.34, y + 0.05), (0.60, y - 0.05)], (0.042, 0.042, 0.042))
    for y in (-0.22, -0.12, -0.02, 0.08, 0.18)
)
_BELLY_BARS = tuple(
    ribbon([(x - 0.06, -0.05), (x + 0.01, 0.16), (x - 0.02, 0.45)], (0.042, 0.042, 0.042))
    for x in (-0.38, -0.28, -0.18, -0.08, 0.02, 0.12)
)
_BREAST_BAND = closed(
    [(0.10, -0.05), (0.36, 0.02), (0.62, -0.12), (0.62, 0.05), (0.36, 0.17), (0.08, 0.10)]
)
_BELLY_PATCH = closed([(-0.30, 0.06), (0.0, 0.16), (0.20, 0.20), (0.20, 0.45), (-0.30, 0.4)])
_BACK_BANDS = tuple(
    ribbon([(x + 0.06, -0.5), (x, -0.24), (x - 0.10, 0.0)], (0.115, 0.115, 0.115))
    for x in (0.22, -0.01, -0.24, -0.46)
)


def torso(pose: Pose, pixels: int) -> Layer:
    """Draw back, breast and belly on a layer of their own."""
    outline = pose.body(OUTLINE)
    layer = Layer(box_around(outline, 3.0, pixels))
    for zone, name, region in (
        (BELLY, "belly", OUTLINE * 1.3),
        (BREAST, "breast", _BREAST),
        (BACK, "back", _BACK),
    ):
        layer.polygon(pose.body(region), pose.part(name), code(pose.first, zone))
    layer.clip(outline)
    for name, zone, pattern in (
        ("back", BACK, pose.look.back_pattern),
        ("breast", BREAST, pose.look.breast_pattern),
        ("belly", BELLY, pose.look.belly_pattern),
    ):
        _texture(layer, pose, name, zone)
        _pattern(layer, pose, name, (zone, pattern))
    return layer


def _texture(layer: Layer, pose: Pose, name: str, zone: int) -> None:
    """Hint at feathers: a few short strokes, lighter than the zone's paint."""
    x0, x1, y0, y1 = _SPAN[name]
    place = _scatter(pose, zone, 12) * np.array([x1 - x0, y1 - y0]) + np.array([x0, y0])
    strokes = [
        pose.body(ribbon([(x, y), (x - 0.05, y + 0.018)], (0.014, 0.006), steps=1))
        for x, y in place.tolist()
    ]
    tone = DARK if zone == BACK else LIGHT
    layer.inside(pose.part(name), strokes, code(pose.first, zone, tone))


_SPAN = {
    "back": (-0.45, 0.38, -0.36, -0.08),
    "breast": (0.16, 0.50, -0.25, 0.30),
    "belly": (-0.42, 0.15, 0.02, 0.33),
}


def _pattern(layer: Layer, pose: Pose, name: str, kind: tuple[int, str]) -> None:
    zone, pattern = kind
    if pattern == "solid":
        return
    shapes = _spots(pose, name, zone) if pattern == "spotted" else _MARKS[name, pattern]
    points = [pose.body(shape) for shape in shapes]
    layer.inside(pose.part(name), points, code(pose.first, zone, INK))


_MARKS = {
    ("back", "striped"): _BACK_STREAKS,
    ("breast", "striped"): _BREAST_BARS,
    ("belly", "striped"): _BELLY_BARS,
    ("back", "multi-colored"): _BACK_BANDS,
    ("breast", "multi-colored"): (_BREAST_BAND,),
    ("belly", "multi-colored"): (_BELLY_PATCH,),
}


def _spots(pose: Pose, name: str, zone: int) -> list[Points]:
    """Place spots on a staggered grid, each a little off."""
    x0, x1, y0, y1 = _SPAN[name]
    step = 0.105
    grid = [
        (x0 + step * (column + 0.5 * (row % 2)), y0 + 0.8 * step * row)
        for row in range(int((y1 - y0) / (0.8 * step)) + 2)
        for column in range(int((x1 - x0) / step) + 2)
    ]
    off = _scatter(pose, zone + 100, len(grid)) * 0.03 - 0.015
    return [
        disc(0.030, x + dx, y + dy, 12) for (x, y), (dx, dy) in zip(grid, off.tolist(), strict=True)
    ]


def _scatter(pose: Pose, key: int, count: int) -> Points:
    """Return ``count`` places in the unit square, the same for the same bird and key."""
    rng = np.random.Generator(np.random.Philox(key=np.array([pose.bird.seed, key], np.uint64)))
    return rng.uniform(size=(count, 2))
