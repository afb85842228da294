"""Tail and legs."""

from __future__ import annotations

import math

import numpy as np

from regionwise.data.birds.canvas import Layer, box_around
from regionwise.data.birds.curves import Frame, Points, closed, disc, feather, ribbon
from regionwise.data.birds.palette import BASE, DARK, INK, LEG, LIGHT, TAIL, VENT, code
from regionwise.data.birds.pose import HIP_HEIGHT, LEG_LENGTH, Pose

_TAILS = {
    "rounded": (4.0, (0.40, 0.49, 0.54, 0.54, 0.49, 0.40), 0.11),
    "notched": (4.0, (0.56, 0.54, 0.47, 0.47, 0.54, 0.56), 0.09),
    "forked": (8.0, (0.70, 0.56, 0.34, 0.34, 0.56, 0.70), 0.075),
    "fan-shaped": (19.0, (0.50, 0.53, 0.55, 0.55, 0.53, 0.50), 0.13),
    "pointed": (2.5, (0.30, 0.42, 0.70, 0.66, 0.42, 0.30), 0.075),
    "squared": (3.5, (0.52, 0.52, 0.52, 0.52, 0.52, 0.52), 0.11),
}
"""Half the angle of the fan in degrees, lengths of the feathers from top to bottom, their width."""

_RUMP = closed([(0.06, -0.09), (-0.12, -0.075), (-0.20, 0.0), (-0.12, 0.06), (0.06, 0.10)])
_VENT = closed([(0.10, 0.02), (-0.13, 0.035), (-0.24, 0.065), (-0.12, 0.12), (0.08, 0.16)])


def tail(pose: Pose, pixels: int) -> Layer:
    """Draw the tail on a layer of its own."""
    frame, part = pose.tail, pose.part("tail")
    corners = frame(np.array([(0.12, -0.3), (0.12, 0.3), (-0.78, 0.34), (-0.78, -0.34)]))
    layer = Layer(box_around(corners, 3.0, pixels))
    fan, lengths, width = _TAILS[pose.look.tail_shape.removesuffix("_tail")]
    for number, length in _outside_in(lengths):
        shape = _tail_feather(fan, number, length, width)
        for tone, size in ((DARK, 1.0), (LIGHT, 0.82), (BASE, 0.68)):
            points = feather(shape[0], shape[1], width * size)
            layer.polygon(frame(points), part, code(pose.first, TAIL, tone))
    _tail_pattern(layer, pose, lengths)
    layer.polygon(frame(_RUMP), part, code(pose.first, TAIL))
    layer.polygon(frame(_VENT), part, code(pose.first, VENT))
    return layer


def _outside_in(lengths: tuple[float, ...]) -> list[tuple[int, float]]:
    order = sorted(range(len(lengths)), key=lambda i: -abs(i - (len(lengths) - 1) / 2.0))
    return [(i, lengths[i]) for i in order]


def _tail_feather(
    fan: float, number: int, length: float, width: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    place = (number - 2.5) / 2.5
    angle = math.radians(fan * place)
    start = (0.02, 0.035 * place)
    tip = (-length * math.cos(angle), length * math.sin(angle) + place * width * 0.35)
    return start, tip


def _tail_pattern(layer: Layer, pose: Pose, lengths: tuple[float, ...]) -> None:
    pattern, part = pose.look.tail_pattern, pose.part("tail")
    if pattern == "solid":
        return
    reach = max(lengths)
    shapes: list[Points] = []
    if pattern == "striped":
        shapes = [_cross(0.06 + 0.145 * i, 0.055) for i in range(1, 5)]
    if pattern == "multi-colored":
        shapes = [_cross(reach - 0.10, 0.20)]
    if pattern == "spotted":
        shapes = [
            disc(0.030, -0.18 - 0.10 * column, -0.13 + 0.065 * row + 0.03 * (column % 2), 12)
            for column in range(6)
            for row in range(5)
        ]
    layer.inside(part, [pose.tail(shape) for shape in shapes], code(pose.first, TAIL, INK))


def _cross(x: float, width: float) -> Points:
    knots = [(-x + 0.03, -0.4), (-x, 0.0), (-x + 0.03, 0.4)]
    return ribbon(knots, (width, width, width))


def leg(pose: Pose, name: str, pixels: int) -> Layer:
    """Draw the ``near leg`` or the ``far leg`` down to its toes."""
    side = 1.0 if name == "near leg" else -1.0
    hip, ankle, foot = joints(pose, side)
    corners = pose.root(np.array([(foot[0] - 0.25, foot[1] + 0.1), (foot[0] + 0.3, hip[1] - 0.1)]))
    layer = Layer(box_around(np.concatenate([corners, pose.root(np.array([hip]))]), 4.0, pixels))
    part, frame = pose.part(name), pose.root
    tone = BASE if side > 0 else DARK
    limb = ribbon([hip, ankle, foot], (0.075, 0.052, 0.050))
    layer.polygon(frame(limb), part, code(pose.first, LEG, tone))
    _toes(layer, pose, (foot, part, tone))
    shine = ribbon(
        [(hip[0] + 0.012, hip[1]), (ankle[0] + 0.012, ankle[1]), foot], (0.012, 0.014, 0.01)
    )
    if side > 0:
        layer.polygon(frame(shine), part, code(pose.first, LEG, LIGHT))
    return layer


def joints(
    pose: Pose, side: float
) -> tuple[tuple[float, float], tuple[float, float], tuple[float, float]]:
    """Return hip, ankle and foot in body lengths around the bird; ``side`` 1 is the near leg."""
    bird = pose.bird
    length = LEG_LENGTH.get(pose.look.shape, LEG_LENGTH["perching-like"])
    x = 0.05 + bird.stance + side * (0.075 + bird.spread)
    hip = (0.03 + side * 0.07, HIP_HEIGHT - 0.16)
    foot = (x, HIP_HEIGHT + length)
    ankle = (0.5 * (hip[0] + x) - 0.055, HIP_HEIGHT + 0.35 * length)
    return hip, ankle, foot


def _toes(layer: Layer, pose: Pose, leg_: tuple[tuple[float, float], int, int]) -> None:
    (x, y), part, tone = leg_
    frame: Frame = pose.root
    for dx, dy in ((0.135, 0.055), (0.10, 0.085), (-0.095, 0.065)):
        knots = [(x, y - 0.02), (x + 0.55 * dx, y + 0.012), (x + dx, y + dy)]
        toe = ribbon(knots, (0.045, 0.040, 0.018))
        layer.polygon(frame(toe), part, code(pose.first, LEG, tone))
    knee = disc(0.030, x, y - 0.005, 12)
    layer.polygon(frame(knee), part, code(pose.first, LEG, tone))
