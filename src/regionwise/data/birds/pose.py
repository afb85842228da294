"""Where the parts of a bird are: frames for body, head, bill, wing, tail and legs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from regionwise.data.birds.curves import Frame, Points, root_frame
from regionwise.data.birds.plumage import Plumage
from regionwise.data.birds.scene import Bird
from regionwise.data.birds.vocabulary import PART_IDS

HEAD_RADIUS = 0.265
LEG_LENGTH = {"perching-like": 0.25, "long-legged-like": 0.45}
HIP_HEIGHT = 0.30
BILL_LENGTH = {"shorter_than_head": 0.7, "about_the_same_as_head": 1.25, "longer_than_head": 1.8}


@dataclass(frozen=True)
class Pose:
    """The frames of a bird in pixels, the ids of its near and far limbs, and its plumage.

    The body, wing and tail frames are in body lengths, the head and bill frames in head radii;
    x is forward and y is down. ``first`` is the bird's place in the picture, 0..3.
    """

    bird: Bird
    look: Plumage
    first: int
    root: Frame
    body: Frame
    head: Frame
    bill: Frame
    wing: Frame
    far_wing: Frame
    tail: Frame

    @property
    def near(self) -> str:
        """The side turned to the viewer: ``'right'`` or ``'left'``."""
        return "right" if self.bird.facing > 0 else "left"

    @property
    def far(self) -> str:
        """The side turned away."""
        return "left" if self.bird.facing > 0 else "right"

    def part(self, name: str) -> int:
        """Return a part's CUB id; ``near`` and ``far`` stand for the bird's sides."""
        side, _, rest = name.partition(" ")
        sides = {"near": self.near, "far": self.far}
        return PART_IDS[f"{sides[side]} {rest}" if side in sides else name]


def pose_of(bird: Bird, look: Plumage, first: int, pixels: float) -> Pose:
    """Return the pose of a bird in a picture of ``pixels`` a side, wearing ``look``."""
    root = root_frame(bird.x * pixels, bird.y * pixels, bird.scale * pixels, bird.facing)
    body = root.child(0.0, 0.0, angle=bird.tilt, sy=bird.plump)
    radius = HEAD_RADIUS * bird.head_size
    neck = _in(root, body.at(0.39, -0.28))
    head = root.child(*neck, angle=bird.head_turn + 0.25 * (bird.tilt + 28.0), sx=radius, sy=radius)
    bill = head.child(0.86, 0.02, angle=4.0, sx=bird.bill_size, sy=bird.bill_size)
    wing = body.child(0.26, -0.045, angle=bird.wing_lift)
    far_wing = body.child(0.24, -0.08, angle=-6.0 + 2.2 * bird.wing_lift)
    tail = body.child(-0.42, -0.02, angle=-bird.tail_angle, sx=bird.tail_length)
    return Pose(bird, look, first, root, body, head, bill, wing, far_wing, tail)


def _in(frame: Frame, point: tuple[float, float]) -> tuple[float, float]:
    x, y = np.linalg.solve(frame.matrix.T, np.array(point) - frame.origin)
    return float(x), float(y)


def extent(pose: Pose) -> Points:
    """Return points around the bird and its feet, from which its box follows."""
    foot = HIP_HEIGHT + LEG_LENGTH.get(pose.look.shape, LEG_LENGTH["perching-like"]) + 0.07
    ends = [
        pose.bill.at(BILL_LENGTH.get(pose.look.bill_length, 1.0), 0.1),
        pose.head.at(0.0, -1.05),
        pose.head.at(-0.7, -1.75 if pose.look.head_pattern == "crested" else -0.8),
        pose.tail.at(-0.58, 0.15),
        pose.tail.at(-0.58, -0.15),
        pose.body.at(0.0, 0.34),
        pose.body.at(0.53, 0.0),
        pose.root.at(pose.bird.stance + 0.2, foot),
    ]
    return np.array(ends)
