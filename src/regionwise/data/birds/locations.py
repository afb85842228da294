"""Where the 15 parts of a bird are, and whether they are seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from regionwise.data.birds.heads import EYE_AT
from regionwise.data.birds.limbs import joints
from regionwise.data.birds.pose import Pose
from regionwise.data.birds.vocabulary import PARTS

Masks = tuple[NDArray[np.uint8], NDArray[np.uint8]]


def part_locations(poses: Sequence[Pose], fine: int, masks: Masks) -> NDArray[np.float64]:
    """Return ``(birds, 15, 3)``: x and y in pixels, and 1 where the part is seen there.

    A part is seen if a pixel of it lies within 1.5 % of the picture's side around its place; x
    and y of a part that is not seen are 0, as in CUB.
    """
    found = np.zeros((len(poses), len(PARTS), 3))
    for number, pose in enumerate(poses):
        places = places_of(pose)
        for index, name in enumerate(PARTS):
            x, y = (value / fine for value in places[name])
            if _seen(masks, (number + 1, index + 1), x, y):
                found[number, index] = (round(x, 2), round(y, 2), 1.0)
    return found


def places_of(pose: Pose) -> dict[str, tuple[float, float]]:
    """Return the place of every part in the pixels of the pose, seen or not."""
    _, near_ankle, near_foot = joints(pose, 1.0)
    _, far_ankle, far_foot = joints(pose, -1.0)
    eye = pose.head.at(*EYE_AT)
    return {
        "back": pose.body.at(0.06, -0.24),
        "beak": pose.bill.at(0.42, 0.02),
        "belly": pose.body.at(-0.02, 0.26),
        "breast": pose.body.at(0.38, 0.07),
        "crown": pose.head.at(-0.12, -0.70),
        "forehead": pose.head.at(0.70, -0.42),
        "nape": pose.head.at(-0.84, 0.30),
        "tail": pose.tail.at(-0.36, 0.0),
        "throat": pose.head.at(0.58, 0.66),
        f"{pose.near} eye": eye,
        f"{pose.far} eye": eye,
        f"{pose.near} leg": pose.root.at(*_middle(near_ankle, near_foot)),
        f"{pose.far} leg": pose.root.at(*_middle(far_ankle, far_foot)),
        f"{pose.near} wing": pose.wing.at(-0.28, 0.02),
        f"{pose.far} wing": pose.far_wing.at(-0.56, -0.03),
    }


def _middle(a: tuple[float, float], b: tuple[float, float]) -> tuple[float, float]:
    return 0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])


def _seen(masks: Masks, wanted: tuple[int, int], x: float, y: float) -> bool:
    part_mask, instances = masks
    size = part_mask.shape[0]
    if not (0.0 <= x < size and 0.0 <= y < size):
        return False
    reach = max(1, round(0.015 * size))
    rows = slice(max(0, int(y) - reach), int(y) + reach + 1)
    columns = slice(max(0, int(x) - reach), int(x) + reach + 1)
    number, part = wanted
    hit = (part_mask[rows, columns] == part) & (instances[rows, columns] == number)
    return bool(hit.any())
