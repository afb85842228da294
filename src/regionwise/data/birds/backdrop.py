"""What lies behind the birds: out-of-focus places, and the branches they sit on.

Everything is drawn from the scene's own seed on a small picture and enlarged, so that it is the
same at every size.
"""

from __future__ import annotations

import math
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from regionwise.data.birds.canvas import Layer
from regionwise.data.birds.curves import closed, ribbon
from regionwise.data.birds.scene import Backdrop, Branch, Leaf

SIDE = 72
"""The small picture's side in pixels."""

Color = tuple[int, int, int]

PLACES: MappingProxyType[str, tuple[Color, ...]] = MappingProxyType(
    {
        "meadow": ((150, 176, 92), (196, 204, 128), (92, 128, 62), (214, 196, 96), (120, 150, 80)),
        "forest": ((58, 84, 48), (92, 120, 62), (40, 58, 40), (128, 146, 84), (86, 70, 50)),
        "sky": (
            (172, 204, 232),
            (206, 224, 240),
            (142, 182, 222),
            (236, 240, 244),
            (120, 160, 206),
        ),
        "autumn": ((176, 118, 58), (204, 158, 72), (140, 84, 44), (120, 110, 60), (196, 88, 48)),
        "water": ((92, 128, 148), (124, 156, 168), (70, 100, 122), (164, 184, 184), (90, 120, 110)),
        "snow": (
            (214, 220, 228),
            (236, 238, 242),
            (180, 190, 204),
            (160, 164, 170),
            (200, 204, 206),
        ),
        "garden": ((110, 146, 84), (206, 110, 140), (226, 190, 86), (140, 100, 170), (92, 126, 76)),
        "dusk": ((124, 96, 120), (186, 120, 110), (84, 74, 104), (220, 160, 110), (100, 84, 96)),
        "rock": ((138, 130, 122), (164, 156, 146), (104, 98, 94), (122, 118, 96), (150, 140, 128)),
    }
)
"""The colours of each kind of place."""

_FLECKS: tuple[Color, ...] = (
    (200, 50, 44), (236, 200, 60), (60, 104, 180), (236, 232, 226), (44, 42, 44),
    (232, 134, 50), (120, 76, 50), (226, 146, 160), (70, 140, 70), (134, 76, 150),
)  # fmt: skip
"""Blossoms, berries and shadows: the birds' own colours, so that no colour gives a class away."""


def backdrop(place: Backdrop, size: int) -> NDArray[np.float32]:
    """Return the place behind the birds, ``(size, size, 3)``, 0..255."""
    rng = np.random.Generator(np.random.Philox(place.seed))
    picture = _gradient(place, rng)
    draw = ImageDraw.Draw(picture)
    _blobs(draw, rng, place)
    _twigs(draw, rng, place)
    _flecks(draw, rng, place)
    blur = 0.8 + 2.2 * float(rng.uniform()) * (1.0 - 0.6 * place.clutter)
    picture = picture.filter(ImageFilter.GaussianBlur(blur))
    large = picture.resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(large, dtype=np.float32)


def _gradient(place: Backdrop, rng: np.random.Generator) -> Image.Image:
    colors = np.array(PLACES[place.kind], dtype=np.float64)
    top, bottom = colors[rng.permutation(len(colors))[:2]]
    t = (
        np.linspace(0.0, 1.0, SIDE)[:, None, None]
        + 0.3 * np.linspace(-0.5, 0.5, SIDE)[None, :, None]
    )
    mixed = top * (1.0 - t) + bottom * t
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8), "RGB")


def _blobs(draw: ImageDraw.ImageDraw, rng: np.random.Generator, place: Backdrop) -> None:
    count = int(10 + 40 * place.clutter)
    colors = np.array(PLACES[place.kind])[rng.integers(0, 5, count)]
    shades = colors * rng.uniform(0.75, 1.2, (count, 1))
    spots = rng.uniform(-0.1, 1.1, (count, 2)) * SIDE
    radii = rng.uniform(0.02, 0.16, (count, 2)) * SIDE
    for (x, y), (rx, ry), shade in zip(spots.tolist(), radii.tolist(), shades, strict=True):
        draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=_rgb(shade))


def _twigs(draw: ImageDraw.ImageDraw, rng: np.random.Generator, place: Backdrop) -> None:
    for _ in range(int(rng.integers(0, 3 + int(5 * place.clutter)))):
        x0, y0, x1, y1 = (rng.uniform(-0.1, 1.1, 4) * SIDE).tolist()
        shade = np.array([96, 76, 56]) * rng.uniform(0.5, 1.5)
        draw.line((x0, y0, x1, y1), fill=_rgb(shade), width=int(rng.integers(1, 4)))


def _flecks(draw: ImageDraw.ImageDraw, rng: np.random.Generator, place: Backdrop) -> None:
    count = int(rng.integers(0, 4 + int(22 * place.clutter)))
    kinds = rng.integers(0, len(_FLECKS), 3)
    for number in range(count):
        x, y = (rng.uniform(0.0, 1.0, 2) * SIDE).tolist()
        r = float(rng.uniform(0.012, 0.05)) * SIDE
        shade = np.array(_FLECKS[int(kinds[number % 3])]) * rng.uniform(0.8, 1.15)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=_rgb(shade))


def _rgb(color: NDArray[np.float64]) -> Color:
    red, green, blue = (int(v) for v in np.clip(color, 0, 255))
    return red, green, blue


def branch(item: Branch, layer: Layer, first: int, pixels: int) -> None:
    """Draw a branch with the paints ``first`` (bark), +1 (its shadow) and +2 (its light)."""
    y0, y1, w = item.left * pixels, item.right * pixels, item.thickness * pixels
    bend = 0.12 * w
    for shift, width, paint in ((0.5, 1.0, 1), (0.40, 0.78, 0), (0.22, 0.20, 2)):
        knots = [
            (-0.05 * pixels, y0 + shift * w),
            (0.35 * pixels, 0.65 * y0 + 0.35 * y1 + shift * w + bend),
            (0.65 * pixels, 0.35 * y0 + 0.65 * y1 + shift * w - bend),
            (1.05 * pixels, y1 + shift * w),
        ]
        widths = (w * width * 1.1, w * width, w * width * 0.95, w * width * 0.85)
        layer.polygon(ribbon(knots, widths), 0, first + paint)


def branch_paints(color: Color) -> NDArray[np.float64]:
    """Return bark, shadow and light of a branch."""
    base = np.array(color, dtype=np.float64)
    return np.stack([base, base * 0.6, base + (255.0 - base) * 0.2])


_LEAF = closed(
    [
        (0.0, 0.0),
        (0.0, 0.0),
        (0.3, -0.22),
        (0.65, -0.18),
        (1.0, 0.0),
        (1.0, 0.0),
        (0.6, 0.22),
        (0.25, 0.2),
    ]
)


def leaf(item: Leaf, layer: Layer, first: int, pixels: int) -> None:
    """Draw a leaf with the paints ``first`` (blade), +1 (its darker half) and +2 (its rib)."""
    a, size = math.radians(item.angle), item.length * pixels
    turn = np.array([[math.cos(a), math.sin(a)], [-math.sin(a), math.cos(a)]]) * size
    at = np.array([item.x, item.y]) * pixels
    lower = _LEAF * np.array([1.0, 0.5]) + np.array([0.0, 0.09])
    rib = ribbon([(-0.25, 0.02), (0.4, 0.0), (0.95, 0.0)], (0.05, 0.04, 0.01), steps=2)
    layer.polygon(_LEAF @ turn + at, 0, first)
    layer.polygon(lower @ turn + at, 0, first + 1)
    layer.polygon(rib @ turn + at, 0, first + 2)
