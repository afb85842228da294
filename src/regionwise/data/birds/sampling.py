"""Chance: how a bird of a class holds itself, where it sits, in what light, behind which leaves.

Every scene has a random generator of its own, keyed by the data set's seed, the class and the
image's number, so that it never depends on how many others are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from regionwise.data.birds.backdrop import PLACES
from regionwise.data.birds.classes import Species
from regionwise.data.birds.pose import HIP_HEIGHT, LEG_LENGTH, extent, pose_of
from regionwise.data.birds.scene import Backdrop, Bird, Branch, Leaf, Light, Scene
from regionwise.errors import SettingError

MAX_BIRDS = 4
_GREENS = (
    (86, 130, 58),
    (120, 152, 66),
    (58, 100, 60),
    (150, 150, 70),
    (170, 120, 60),
    (140, 60, 50),
)
_BARKS = ((110, 86, 64), (92, 80, 70), (132, 112, 88), (70, 58, 50), (120, 116, 108))

Slot = tuple[float, float, float, float]


@dataclass(frozen=True)
class Style:
    """What the birds of one locality share: a slight hue shift in degrees, proportions, places."""

    hue: float = 0.0
    plump: float = 1.0
    head_size: float = 1.0
    places: tuple[str, ...] = tuple(PLACES)


def style(group: int, seed: int = 0) -> Style:
    """Return the style of a locality, numbered from 1; 0 stands for none."""
    if group == 0:
        return Style()
    rng = _generator(seed, 11, group)
    kinds = sorted(PLACES)
    places = tuple(kinds[i] for i in sorted(rng.permutation(len(kinds))[:3].tolist()))
    return Style(
        hue=_uniform(rng, -9.0, 9.0),
        plump=_uniform(rng, 0.94, 1.07),
        head_size=_uniform(rng, 0.94, 1.07),
        places=places,
    )


def sample_scene(
    kind: Species, index: int, *, seed: int = 0, birds: int = 1, group: int = 0
) -> Scene:
    """Return the scene ``index`` of a class.

    The same seed, class and index always give the same scene. ``birds`` (1..4) of the class are
    shown; ``group`` > 0 gives them the style of that locality.

    Raises:
        SettingError: ``birds`` is outside 1..4, or a number is negative.
    """
    if not 1 <= birds <= MAX_BIRDS:
        message = f"birds_per_image is {birds}, allowed is 1 to {MAX_BIRDS}"
        raise SettingError(message)
    if min(index, seed, group) < 0:
        message = f"index {index}, seed {seed} and group {group} must not be negative"
        raise SettingError(message)
    rng, manner = _generator(seed, kind.index, index), style(group, seed)
    flock, branches = _flock(kind, birds, rng, manner)
    return Scene(
        label=kind.index,
        index=index,
        seed=int(rng.integers(2**31)),
        birds=flock,
        backdrop=_backdrop(rng, manner),
        branches=branches,
        leaves=_leaves(rng, flock),
        light=_light(rng),
        group=group,
    )


def _generator(seed: int, *key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, 3, *key])))


def _uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return round(float(rng.uniform(low, high)), 4)


def _slots(birds: int) -> list[list[Slot]]:
    """Return rows of places for the birds: left, top, right, bottom in image sides."""
    whole = [(0.0, 0.0, 1.0, 1.0)]
    upper = [(0.0, 0.0, 0.52, 0.54), (0.48, 0.0, 1.0, 0.54)]
    lower = [(0.0, 0.48, 0.52, 1.0), (0.48, 0.48, 1.0, 1.0)]
    wide = [(0.0, 0.15, 0.52, 0.85), (0.48, 0.15, 1.0, 0.85)]
    middle = [(0.2, 0.48, 0.8, 1.0)]
    return {1: [whole], 2: [wide], 3: [upper, middle], 4: [upper, lower]}[birds]


def _flock(
    kind: Species, birds: int, rng: np.random.Generator, manner: Style
) -> tuple[tuple[Bird, ...], tuple[Branch, ...]]:
    flock: list[Bird] = []
    branches: list[Branch] = []
    for row in _slots(birds):
        placed = [_placed(_bird(kind, rng, manner), slot, rng) for slot in row]
        line = _branch(placed[0], rng)
        branches.append(line)
        flock.append(placed[0])
        flock.extend(
            _set_on(line, bird, slot) for bird, slot in zip(placed[1:], row[1:], strict=True)
        )
    return tuple(flock), tuple(branches)


def _bird(kind: Species, rng: np.random.Generator, manner: Style) -> Bird:
    return Bird(
        plumage=kind.plumage,
        x=0.0,
        y=0.0,
        scale=1.0,
        facing=1 if rng.uniform() < 0.5 else -1,
        tilt=_uniform(rng, -44.0, -12.0),
        head_turn=_uniform(rng, -14.0, 16.0),
        tail_angle=_uniform(rng, -22.0, 20.0),
        wing_lift=_uniform(rng, 12.0, 34.0) if rng.uniform() < 0.12 else _uniform(rng, -4.0, 8.0),
        stance=_uniform(rng, -0.05, 0.05),
        spread=_uniform(rng, -0.02, 0.07),
        plump=_uniform(rng, 0.92, 1.12) * manner.plump,
        head_size=_uniform(rng, 0.92, 1.08) * manner.head_size,
        tail_length=_uniform(rng, 0.88, 1.18),
        bill_size=_uniform(rng, 0.9, 1.15),
        hue=_uniform(rng, -7.0, 7.0) + manner.hue,
        saturation=_uniform(rng, 0.75, 1.2),
        value=_uniform(rng, 0.86, 1.12),
        seed=int(rng.integers(2**31)),
    )


def _placed(bird: Bird, slot: Slot, rng: np.random.Generator) -> Bird:
    """Give the bird a size and a place so that it lies within its slot."""
    points = extent(pose_of(bird, bird.plumage, 0, 1.0))
    low, high = points.min(axis=0), points.max(axis=0)
    left, top, right, bottom = slot
    share = _uniform(rng, 0.62, 0.94)
    scale = float(
        min(share * (right - left) / (high - low)[0], 0.93 * (bottom - top) / (high - low)[1])
    )
    room_x, room_y = left - scale * low[0], top - scale * low[1]
    free_x = right - scale * high[0] - room_x
    free_y = bottom - scale * high[1] - room_y
    x = room_x + free_x * rng.uniform()
    y = room_y + free_y * rng.uniform()
    return replace(bird, x=round(float(x), 4), y=round(float(y), 4), scale=round(scale, 4))


def _foot(bird: Bird) -> float:
    return bird.scale * (HIP_HEIGHT + LEG_LENGTH.get(bird.plumage.shape, 0.25))


def _branch(bird: Bird, rng: np.random.Generator) -> Branch:
    slope = _uniform(rng, -0.12, 0.12)
    at = bird.y + _foot(bird) + 0.02 * bird.scale
    return Branch(
        left=round(at - slope * bird.x, 4),
        right=round(at + slope * (1.0 - bird.x), 4),
        thickness=_uniform(rng, 0.07, 0.15) * bird.scale / 0.5 * 0.75,
        color=_color(rng, _BARKS),
    )


def _set_on(line: Branch, bird: Bird, slot: Slot) -> Bird:
    """Set another bird of the row on the branch, smaller if it would not fit above it."""
    top = line.left + (line.right - line.left) * bird.x
    points = extent(pose_of(replace(bird, x=0.0, y=0.0, scale=1.0), bird.plumage, 0, 1.0))
    tall = _foot(bird) / bird.scale + 0.02 - float(points[:, 1].min())
    scale = round(max(0.1, min(bird.scale, (top - slot[1]) / tall)), 4)
    smaller = replace(bird, scale=scale)
    return replace(smaller, y=round(top - _foot(smaller) - 0.02 * scale, 4))


def _color(
    rng: np.random.Generator, options: tuple[tuple[int, int, int], ...]
) -> tuple[int, int, int]:
    base = np.array(options[int(rng.integers(len(options)))]) * rng.uniform(0.7, 1.2)
    red, green, blue = (int(v) for v in np.clip(base, 0, 255))
    return red, green, blue


def _backdrop(rng: np.random.Generator, manner: Style) -> Backdrop:
    kinds = tuple(PLACES)
    if manner.places != kinds and rng.uniform() < 0.75:
        kinds = manner.places
    kind = kinds[int(rng.integers(len(kinds)))]
    return Backdrop(kind=kind, seed=int(rng.integers(2**31)), clutter=_uniform(rng, 0.0, 1.0))


def _leaves(rng: np.random.Generator, flock: tuple[Bird, ...]) -> tuple[Leaf, ...]:
    """Hang leaves into the picture, at times in front of a bird."""
    count = int(rng.integers(0, 6))
    color = _color(rng, _GREENS)
    leaves = []
    for _ in range(count):
        bird = flock[int(rng.integers(len(flock)))]
        x = bird.x + bird.scale * float(rng.normal(0.0, 0.75))
        y = bird.y + bird.scale * float(rng.normal(0.0, 0.75))
        leaves.append(
            Leaf(
                x=round(x, 4),
                y=round(y, 4),
                angle=_uniform(rng, 0.0, 360.0),
                length=_uniform(rng, 0.25, 0.5) * bird.scale,
                color=_color(rng, (color,)),
            )
        )
    return tuple(leaves)


def _light(rng: np.random.Generator) -> Light:
    exposure, warmth, tint = (
        rng.uniform(0.72, 1.22),
        rng.uniform(-0.13, 0.13),
        rng.uniform(-0.05, 0.05),
    )
    return Light(
        angle=_uniform(rng, -150.0, -30.0),
        depth=_uniform(rng, 0.7, 1.6),
        red=round(float(exposure * (1.0 + warmth)), 4),
        green=round(float(exposure * (1.0 + tint)), 4),
        blue=round(float(exposure * (1.0 - warmth)), 4),
        contrast=_uniform(rng, 0.82, 1.15),
        saturation=_uniform(rng, 0.75, 1.2),
        noise=_uniform(rng, 1.0, 6.0),
        vignette=_uniform(rng, 0.0, 0.35),
    )
