"""The head: bill, crown, forehead, nape, throat, eye and the markings that tell species apart."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from regionwise.data.birds.canvas import Layer, box_around
from regionwise.data.birds.curves import Points, closed, disc, ribbon
from regionwise.data.birds.palette import (
    BASE,
    BEAK,
    CROWN,
    DARK,
    EYE,
    FOREHEAD,
    INK,
    LIGHT,
    MARK,
    NAPE,
    THROAT,
    code,
)
from regionwise.data.birds.pose import Pose

OUTLINE = closed(
    [
        (0.0, -1.0),
        (0.52, -0.88),
        (0.88, -0.45),
        (0.98, 0.02),
        (0.86, 0.45),
        (0.80, 0.85),
        (0.72, 1.12),
        (0.25, 1.30),
        (-0.40, 1.32),
        (-0.98, 1.12),
        (-1.12, 0.70),
        (-1.06, 0.10),
        (-0.86, -0.50),
        (-0.48, -0.88),
    ]
)
"""The head and neck in head radii, facing right."""

EYE_AT = (0.40, -0.14)
_CROWN = closed(
    [(-1.6, -1.4), (-1.5, -0.30), (-0.9, -0.30), (0.0, -0.42), (0.46, -0.46), (0.62, -1.4)]
)
_FOREHEAD = closed(
    [(0.42, -1.3), (0.46, -0.45), (0.66, -0.20), (0.80, -0.02), (1.3, -0.02), (1.3, -1.3)]
)
_THROAT = closed([(1.4, 0.22), (0.72, 0.24), (0.30, 0.42), (0.0, 0.85), (-0.12, 1.6), (1.4, 1.6)])

_BILLS = {
    "cone": [(0.0, -0.36), (0.30, -0.26), (0.72, 0.03), (0.72, 0.03), (0.36, 0.24), (0.0, 0.34)],
    "all-purpose": [
        (0.0, -0.22),
        (0.36, -0.16),
        (0.82, 0.04),
        (0.82, 0.04),
        (0.40, 0.16),
        (0.0, 0.22),
    ],
    "dagger": [(0.0, -0.22), (0.60, -0.13), (1.15, 0.02), (1.15, 0.02), (0.60, 0.14), (0.0, 0.22)],
    "needle": [(0.0, -0.12), (0.50, -0.075), (1.10, 0.0), (1.10, 0.0), (0.50, 0.07), (0.0, 0.12)],
    "hooked": [
        (0.0, -0.32),
        (0.42, -0.32),
        (0.78, -0.10),
        (0.74, 0.34),
        (0.74, 0.34),
        (0.56, 0.12),
        (0.0, 0.24),
    ],
    "hooked_seabird": [
        (0.0, -0.24),
        (0.70, -0.20),
        (1.05, -0.08),
        (1.06, 0.26),
        (1.06, 0.26),
        (0.84, 0.10),
        (0.0, 0.22),
    ],
    "spatulate": [
        (0.0, -0.14),
        (0.55, -0.09),
        (0.85, -0.24),
        (1.12, 0.0),
        (0.85, 0.24),
        (0.55, 0.09),
        (0.0, 0.16),
    ],
    "curved_(up_or_down)": [
        (0.0, -0.20),
        (0.50, -0.20),
        (0.95, 0.02),
        (1.18, 0.46),
        (1.18, 0.46),
        (0.80, 0.22),
        (0.40, 0.06),
        (0.0, 0.16),
    ],
    "specialized": [
        (0.0, -0.44),
        (0.40, -0.46),
        (0.80, -0.20),
        (0.92, 0.16),
        (0.92, 0.16),
        (0.45, 0.26),
        (0.0, 0.34),
    ],
}
_LENGTHS = {"shorter_than_head": 0.80, "about_the_same_as_head": 1.2, "longer_than_head": 1.65}

_CREST = (
    [(0.42, -0.80), (0.10, -1.50), (-0.62, -1.86), (-0.40, -1.30), (-0.62, -0.80)],
    [(0.10, -0.85), (-0.45, -1.46), (-1.22, -1.58), (-0.85, -1.10), (-0.86, -0.55)],
)
_MARKS: dict[str, tuple[Points, ...]] = {
    "masked": (
        closed(
            [
                (1.1, -0.30),
                (0.60, -0.52),
                (0.10, -0.50),
                (-0.50, -0.22),
                (-0.80, 0.10),
                (-0.40, 0.30),
                (0.30, 0.30),
                (1.1, 0.26),
            ]
        ),
    ),
    "eyebrow": (
        ribbon(
            [(0.98, -0.36), (0.45, -0.56), (-0.20, -0.50), (-1.0, -0.12)], (0.16, 0.25, 0.27, 0.16)
        ),
    ),
    "eyeline": (
        ribbon(
            [(1.1, 0.0), (0.40, -0.12), (-0.30, -0.06), (-1.15, 0.24)], (0.20, 0.22, 0.24, 0.22)
        ),
    ),
    "eyering": (disc(0.38, *EYE_AT),),
    "malar": (
        closed(
            [
                (0.95, 0.26),
                (0.62, 0.26),
                (0.22, 0.48),
                (-0.12, 0.95),
                (0.16, 1.08),
                (0.48, 0.72),
                (0.92, 0.44),
            ]
        ),
    ),
    "striped": (
        ribbon([(0.72, -0.66), (0.0, -0.80), (-0.92, -0.42)], (0.18, 0.20, 0.18)),
        ribbon([(0.78, -0.30), (0.0, -0.40), (-1.05, -0.02)], (0.18, 0.20, 0.18)),
        ribbon([(0.30, 0.16), (-0.30, 0.20), (-1.1, 0.44)], (0.14, 0.20, 0.18)),
    ),
    "spotted": tuple(
        disc(0.115, -0.82 + 0.40 * column + 0.20 * (row % 2), -0.72 + 0.34 * row, 12)
        for row in range(5)
        for column in range(5)
        if abs(-0.82 + 0.40 * column + 0.20 * (row % 2) - 0.40) + abs(-0.58 + 0.34 * row) > 0.35
    ),
    "unique_pattern": (
        closed([(-0.15, 0.10), (-0.60, 0.0), (-0.85, 0.40), (-0.45, 0.66), (-0.05, 0.42)]),
    ),
}


def beak(pose: Pose, pixels: int) -> Layer:
    """Draw the bill on a layer of its own; the head goes over its root."""
    knots = np.array(_BILLS[pose.look.bill_shape]) * np.array(
        [_LENGTHS[pose.look.bill_length], 1.0]
    )
    outline = pose.bill(
        np.concatenate([[(-0.3, -0.1)], closed([tuple(k) for k in knots.tolist()]), [(-0.3, 0.1)]])
    )
    layer = Layer(box_around(outline, 3.0, pixels))
    part, reach = pose.part("beak"), float(knots[:, 0].max())
    layer.polygon(outline, part, code(pose.first, BEAK))
    half = float(np.interp(0.5, [0, 1], [0.06, 0.10]))
    tip_y = float(knots[np.argmax(knots[:, 0]), 1])
    gape = ribbon([(-0.1, 0.06), (0.5 * reach, 0.02), (reach, tip_y)], (half, 0.05, 0.02))
    layer.inside(part, [pose.bill(gape)], code(pose.first, BEAK, DARK))
    shine = ribbon([(0.0, -0.12), (0.55 * reach, -0.07)], (0.09, 0.02))
    layer.inside(part, [pose.bill(shine)], code(pose.first, BEAK, LIGHT))
    return layer


def head(pose: Pose, pixels: int, removed: Collection[int]) -> Layer:
    """Draw crown, forehead, nape, throat, their markings and the eye on a layer of their own."""
    crest = [pose.head(closed(points)) for points in _CREST]
    outline = pose.head(OUTLINE)
    layer = Layer(box_around(np.concatenate([outline, *crest]), 3.0, pixels))
    for zone, name, region in (
        (NAPE, "nape", OUTLINE * 1.2),
        (THROAT, "throat", _THROAT),
        (CROWN, "crown", _CROWN),
        (FOREHEAD, "forehead", _FOREHEAD),
    ):
        layer.polygon(pose.head(region), pose.part(name), code(pose.first, zone))
    layer.clip(outline)
    _shade(layer, pose)
    _marks(layer, pose)
    if pose.look.head_pattern == "crested":
        _crest(layer, pose, crest)
    if pose.part("near eye") not in removed:
        _eye(layer, pose)
    return layer


def _shade(layer: Layer, pose: Pose) -> None:
    cheek = ribbon([(0.10, 0.42), (-0.35, 0.36), (-0.62, 0.02)], (0.04, 0.08, 0.03))
    layer.inside(pose.part("nape"), [pose.head(cheek)], code(pose.first, NAPE, DARK))


def _marks(layer: Layer, pose: Pose) -> None:
    shapes = [pose.head(shape) for shape in _MARKS.get(pose.look.head_pattern, ())]
    for name in ("crown", "forehead", "nape", "throat"):
        if shapes:
            layer.inside(pose.part(name), shapes, code(pose.first, MARK))


def _crest(layer: Layer, pose: Pose, crest: list[Points]) -> None:
    for points, tone in zip(reversed(crest), (DARK, BASE), strict=True):
        layer.polygon(points, pose.part("crown"), code(pose.first, CROWN, tone))


def _eye(layer: Layer, pose: Pose) -> None:
    part, (x, y) = pose.part("near eye"), EYE_AT
    for tone, radius, dx, dy in (
        (INK, 0.215, 0.0, 0.0),
        (BASE, 0.175, 0.0, 0.0),
        (DARK, 0.105, 0.01, 0.0),
        (LIGHT, 0.042, 0.05, -0.055),
    ):
        layer.polygon(
            pose.head(disc(radius, x + dx, y + dy, 16)), part, code(pose.first, EYE, tone)
        )
