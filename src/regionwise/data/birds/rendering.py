"""Drawing a scene: pixels, exact part masks, instance masks and part locations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from regionwise.data.birds import backdrop as behind
from regionwise.data.birds.canvas import Layer
from regionwise.data.birds.heads import beak, head
from regionwise.data.birds.light import lit, relief
from regionwise.data.birds.limbs import leg, tail
from regionwise.data.birds.locations import part_locations
from regionwise.data.birds.palette import PER_BIRD, bird_paints
from regionwise.data.birds.plumage import Changes, changed, removed_parts
from regionwise.data.birds.pose import Pose, pose_of
from regionwise.data.birds.scene import Scene
from regionwise.data.birds.torso import torso
from regionwise.data.birds.wings import far_wing, near_wing
from regionwise.errors import SettingError

MIN_SIZE, MAX_SIZE = 32, 2048


@dataclass(frozen=True)
class Rendered:
    """A drawn scene of side ``size``.

    ``image`` is ``(size, size, 3)`` uint8 RGB; ``part_mask`` ``(size, size)`` uint8 with CUB's
    part ids (0 = no bird); ``instance_mask`` ``(size, size)`` uint8 with the bird's number from 1;
    ``part_locations`` ``(birds, 15, 3)`` x and y in pixels and visible (0 or 1).
    """

    image: NDArray[np.uint8]
    part_mask: NDArray[np.uint8]
    instance_mask: NDArray[np.uint8]
    part_locations: NDArray[np.float64]


def render(scene: Scene, changes: Changes | None = None, size: int = 224) -> Rendered:
    """Draw a scene, if asked with parts replaced or removed.

    ``changes`` maps a united part (``'wing'``), one of CUB's (``'beak'``) or ``'bird'`` to the
    attributes it gets instead, or to ``None``: removed, so that what lies behind it shows.
    Pixels that the change does not touch stay exactly as they were.

    Raises:
        SettingError: the size is outside 32..2048, or a part, attribute or value does not exist.
    """
    check_size(size)
    fine = _fineness(size)
    poses = _poses(scene, changes or {}, size * fine)
    removed = removed_parts(changes or {})
    birds = _flock(poses, removed, size * fine)
    image = behind.backdrop(scene.backdrop, size)
    _branches(image, scene, fine)
    _over(image, birds, _bird_palette(poses), fine, relief(scene, size))
    covered = _leaves(image, scene, fine)
    part_mask, instances = _masks(birds, covered, fine)
    where = part_locations(poses, fine, (part_mask, instances))
    return Rendered(lit(image, scene.light, scene.seed), part_mask, instances, where)


def check_size(size: int) -> None:
    """Refuse a side outside 32..2048 pixels.

    Raises:
        SettingError: it is.
    """
    if not MIN_SIZE <= size <= MAX_SIZE:
        message = f"size is {size}, allowed is {MIN_SIZE} to {MAX_SIZE} pixels"
        raise SettingError(message)


def _fineness(size: int) -> int:
    """Return how many pixels a side are drawn for one pixel of the picture."""
    return 4 if size <= 96 else 3 if size <= 384 else 2


def _poses(scene: Scene, changes: Changes, pixels: int) -> list[Pose]:
    return [
        pose_of(bird, changed(bird.plumage, changes), number, pixels)
        for number, bird in enumerate(scene.birds)
    ]


def _flock(poses: Sequence[Pose], removed: frozenset[int], pixels: int) -> Layer:
    """Lay the birds, and the groups of each from the far side to the near one, over each other."""
    canvas = Layer((0, 0, pixels, pixels))
    for pose in poses:
        for layer in (
            far_wing(pose, pixels),
            leg(pose, "far leg", pixels),
            tail(pose, pixels),
            leg(pose, "near leg", pixels),
            torso(pose, pixels),
            beak(pose, pixels),
            head(pose, pixels, removed),
            near_wing(pose, pixels),
        ):
            canvas.merge(layer, removed)
    return canvas


def _bird_palette(poses: Sequence[Pose]) -> NDArray[np.float64]:
    table = np.zeros((256, 3))
    for number, pose in enumerate(poses):
        start = 1 + number * PER_BIRD
        table[start : start + PER_BIRD] = bird_paints(pose.bird, pose.look)
    return table


def _over(
    image: NDArray[np.float32],
    layer: Layer,
    table: NDArray[np.float64],
    fine: int,
    shade: NDArray[np.float32] | None = None,
) -> None:
    """Lay a layer of codes over the image, smoothed at its edges."""
    codes = layer.paint.copy()
    alpha = codes.point([0] + [255] * 255).reduce(fine)
    codes.putpalette(np.rint(table).astype(np.uint8).tobytes())
    color = np.asarray(codes.convert("RGB").reduce(fine), dtype=np.float32)
    if shade is not None:
        color = color * shade
    left, top, right, bottom = (edge // fine for edge in layer.box)
    window = image[top:bottom, left:right]
    window *= 1.0 - np.asarray(alpha, dtype=np.float32)[..., None] / 255.0
    window += color


def _branches(image: NDArray[np.float32], scene: Scene, fine: int) -> None:
    pixels = image.shape[0] * fine
    for item in scene.branches:
        low = min(item.left, item.right) - 0.2 * item.thickness
        high = max(item.left, item.right) + 1.3 * item.thickness
        layer = Layer(_rows(low, high, image.shape[0], fine))
        behind.branch(item, layer, 1, pixels)
        table = np.zeros((256, 3))
        table[1:4] = behind.branch_paints(item.color)
        _over(image, layer, table, fine)


def _rows(low: float, high: float, size: int, fine: int) -> tuple[int, int, int, int]:
    top = min(max(math.floor(low * size), 0), size - 1)
    bottom = min(max(math.ceil(high * size), top + 1), size)
    return 0, top * fine, size * fine, bottom * fine


def _leaves(image: NDArray[np.float32], scene: Scene, fine: int) -> NDArray[np.bool_]:
    """Draw the leaves in front and return where they cover the picture."""
    size = image.shape[0]
    if not scene.leaves:
        return np.zeros((size, size), dtype=np.bool_)
    layer, table = Layer((0, 0, size * fine, size * fine)), np.zeros((256, 3))
    for number, item in enumerate(scene.leaves):
        first = 1 + 3 * number
        behind.leaf(item, layer, first, size * fine)
        table[first : first + 3] = behind.branch_paints(item.color)
    _over(image, layer, table, fine)
    middle = fine // 2
    return np.asarray(layer.paint)[middle::fine, middle::fine] > 0


def _masks(
    birds: Layer, covered: NDArray[np.bool_], fine: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the part and instance masks: what is seen at the middle of every pixel."""
    middle = fine // 2
    part = np.asarray(birds.part)[middle::fine, middle::fine].copy()
    paint = np.asarray(birds.paint)[middle::fine, middle::fine]
    number = np.where(part > 0, (paint.astype(np.int64) - 1) // PER_BIRD + 1, 0)
    part[covered] = 0
    number[covered] = 0
    return part, number.astype(np.uint8)
