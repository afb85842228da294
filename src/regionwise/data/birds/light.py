"""The light of a scene: how it models the birds, its colour, and the grain of the picture."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from regionwise.data.birds.heads import OUTLINE as HEAD
from regionwise.data.birds.pose import pose_of
from regionwise.data.birds.scene import Light, Scene
from regionwise.data.birds.torso import OUTLINE as BODY

_SMALL = 96
_GRAIN = 512
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


def relief(scene: Scene, size: int) -> NDArray[np.float32]:
    """Return how the light models the birds, ``(size, size, 1)`` factors around 1.

    It follows the round shapes of body and head alone, which no change touches.
    """
    shape = Image.new("L", (_SMALL, _SMALL))
    draw = ImageDraw.Draw(shape)
    for number, bird in enumerate(scene.birds):
        pose = pose_of(bird, bird.plumage, number, _SMALL)
        for points in (pose.body(BODY), pose.head(HEAD * np.array([1.0, 0.9]))):
            draw.polygon([float(v) for v in points.ravel().tolist()], fill=255)
    radius = 0.15 * _SMALL * scene.birds[0].scale
    soft = shape.filter(ImageFilter.GaussianBlur(radius))
    height = np.asarray(soft, dtype=np.float32) / 255.0
    slope_y, slope_x = np.gradient(height * radius)
    angle = math.radians(scene.light.angle)
    toward = -(slope_x * math.cos(angle) + slope_y * math.sin(angle))
    shade = np.clip(1.0 + scene.light.depth * toward, 0.5, 1.4).astype(np.float32)
    large = Image.fromarray(shade).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(large, dtype=np.float32)[..., None]


def lit(image: NDArray[np.float32], light: Light, seed: int) -> NDArray[np.uint8]:
    """Return the finished picture: colour of the light, saturation, contrast, corners, grain.

    ``image`` is ``(size, size, 3)`` in 0..255; every pixel depends on itself alone.
    """
    size = image.shape[0]
    colored = image * np.array([light.red, light.green, light.blue], dtype=np.float32)
    grey = (colored @ _LUMA)[..., None]
    toned = grey + (colored - grey) * np.float32(light.saturation)
    toned = (toned - np.float32(118.0)) * np.float32(light.contrast) + np.float32(118.0)
    toned *= _corners(size, light.vignette)
    toned += np.float32(light.noise) * _grain_at(seed, size)
    return np.clip(np.rint(toned), 0, 255).astype(np.uint8)


def _corners(size: int, strength: float) -> NDArray[np.float32]:
    side = ((np.arange(size, dtype=np.float32) + 0.5) / size * 2.0 - 1.0) ** 2
    return np.asarray(1.0 - np.float32(0.5 * strength) * (side[:, None] + side)[..., None])


def _grain_at(seed: int, size: int) -> NDArray[np.float32]:
    """Cut a piece out of the stored grain, at a place that the seed gives."""
    grain = _stored_grain(max(_GRAIN, 2 * size))
    room = grain.shape[0] - size
    y, x = (seed * 7919) % room, (seed * 104729) % room
    return grain[y : y + size, x : x + size]


@cache
def _stored_grain(side: int) -> NDArray[np.float32]:
    rng = np.random.Generator(np.random.Philox(20112))
    return rng.standard_normal((side, side, 3), dtype=np.float32)
