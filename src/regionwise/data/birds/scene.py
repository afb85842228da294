"""Everything needed to draw a picture of birds again, at any size: the scene."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from regionwise.data.birds.plumage import Plumage
from regionwise.errors import DataError

RENDERER_VERSION = 1
"""Raised whenever the same scene would give other pixels."""


@dataclass(frozen=True)
class Bird:
    """One bird: its plumage, where it sits and how it holds itself.

    ``x`` and ``y`` place the middle of its body and ``scale`` is the length of its body, all in
    image sides; ``facing`` is 1 (right) or -1 (left). Angles are in degrees, positive lowers:
    ``tilt`` of the body, ``head_turn``, ``tail_angle``, ``wing_lift``. ``stance`` shifts and
    ``spread`` parts the feet, in body lengths. ``plump``, ``head_size``, ``tail_length`` and
    ``bill_size`` are factors around 1. ``hue`` (degrees), ``saturation`` and ``value`` shift all
    its colours, and ``seed`` the shade of each zone and the place of each spot.
    """

    plumage: Plumage
    x: float
    y: float
    scale: float
    facing: int
    tilt: float
    head_turn: float
    tail_angle: float
    wing_lift: float
    stance: float
    spread: float
    plump: float
    head_size: float
    tail_length: float
    bill_size: float
    hue: float
    saturation: float
    value: float
    seed: int


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    ``angle`` is where it comes from in degrees (-90 = straight above), ``depth`` how strongly it
    models the birds, ``red``, ``green`` and ``blue`` its colour as gains, ``contrast`` and
    ``saturation`` factors around 1, ``noise`` the grain in grey levels, and ``vignette`` how much
    darker the corners are (0..1).
    """

    angle: float
    depth: float
    red: float
    green: float
    blue: float
    contrast: float
    saturation: float
    noise: float
    vignette: float


@dataclass(frozen=True)
class Leaf:
    """A leaf in front of the birds: its foot, angle in degrees, length in image sides, colour."""

    x: float
    y: float
    angle: float
    length: float
    color: tuple[int, int, int]


@dataclass(frozen=True)
class Branch:
    """A branch from left to right: height at both edges and thickness, in image sides."""

    left: float
    right: float
    thickness: float
    color: tuple[int, int, int]


@dataclass(frozen=True)
class Backdrop:
    """What lies behind: a kind of place, its seed, and how much clutter there is (0..1)."""

    kind: str
    seed: int
    clutter: float


@dataclass(frozen=True)
class Scene:
    """A picture before it is drawn; lengths are in image sides, so that any size can be drawn."""

    label: int
    index: int
    seed: int
    birds: tuple[Bird, ...]
    backdrop: Backdrop
    branches: tuple[Branch, ...]
    leaves: tuple[Leaf, ...]
    light: Light
    group: int = 0
    version: int = RENDERER_VERSION

    def to_json(self) -> dict[str, Any]:
        """Return the scene as plain values, from which ``from_json`` gives an equal scene."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scene:
        """Read a scene that ``to_json`` wrote.

        Raises:
            DataError: a value is missing or unknown, or another renderer's version wrote it.
        """
        if value.get("version") != RENDERER_VERSION:
            message = (
                f"this scene is of renderer version {value.get('version')!r}, "
                f"this is version {RENDERER_VERSION}; write the data set again"
            )
            raise DataError(message)
        try:
            return _scene(value)
        except (TypeError, KeyError, ValueError, OverflowError) as error:
            message = f"not a scene of birds: {error}; write the data set again"
            raise DataError(message) from error


def _scene(value: Mapping[str, Any]) -> Scene:
    parts = dict(value)
    parts["birds"] = tuple(
        Bird(**{**bird, "plumage": Plumage(**bird["plumage"])}) for bird in value["birds"]
    )
    parts["backdrop"] = Backdrop(**value["backdrop"])
    parts["branches"] = tuple(
        Branch(**{**branch, "color": _color(branch["color"])}) for branch in value["branches"]
    )
    parts["leaves"] = tuple(
        Leaf(**{**leaf, "color": _color(leaf["color"])}) for leaf in value["leaves"]
    )
    parts["light"] = Light(**value["light"])
    return Scene(**parts)


def _color(value: Any) -> tuple[int, int, int]:
    red, green, blue = value
    return int(red), int(green), int(blue)
