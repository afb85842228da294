"""What the network sees of a picture, in training and in testing.

Whatever is random is drawn from a generator made of the seed, the epoch and the image's index, so
that a run that was cut off sees the same pictures when it goes on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from regionwise.models.preprocessing import Preprocessing
from regionwise.training.schemes import Scheme

Augmentation = Literal["resized-crop", "crop", "flip", "none"]
Pixels = NDArray[np.uint8]

_AREA: Final = (0.08, 1.0)
_ASPECT: Final = (3 / 4, 4 / 3)
_ATTEMPTS: Final = 10


def preprocessing_of(scheme: Scheme, own: Preprocessing | None) -> Preprocessing:
    """Return how a picture is prepared: the backbone's own way, or at the scheme's size.

    Mean, deviation and interpolation are the backbone's in either case; ImageNet's without any.
    """
    base = own or Preprocessing()
    if not scheme.size:
        return base
    side = scheme.size
    resize = {"crop": round(side * 8 / 7), "fit": side, "squash": None}[scheme.view]
    return replace(base, size=(side, side), resize=resize)


@dataclass(frozen=True)
class View:
    """From a picture to pixels, in two steps: one that can be kept, and one that is drawn anew.

    Attributes:
        preprocessing: what a test picture goes through.
        augmentation: what a training picture goes through.
        seed: of all that is drawn.
    """

    preprocessing: Preprocessing
    augmentation: Augmentation = "none"
    seed: int = 0

    def prepared(self, image: Image.Image) -> Image.Image:
        """Return what is the same in every epoch; small where that is possible."""
        if self.augmentation == "resized-crop":
            return image
        if self.augmentation == "crop":
            rows, columns = self.preprocessing.size
            larger = (round(rows * 8 / 7), round(columns * 8 / 7))
            return replace(self.preprocessing, size=larger, resize=None).view(image)
        return self.preprocessing.view(image)

    def bytes_kept(self, width: int, height: int) -> int:
        """Return how many bytes a prepared picture takes."""
        rows, columns = self.preprocessing.size
        if self.augmentation == "resized-crop":
            return 3 * width * height
        return 3 * rows * columns * (2 if self.augmentation == "crop" else 1)

    def pixels(self, prepared: Image.Image, epoch: int, index: int) -> Pixels:
        """Return the pixels c h w that the network sees of an image in an epoch."""
        rng = np.random.default_rng([self.seed, epoch, index])
        image = prepared
        if self.augmentation == "resized-crop":
            image = resized_crop(image, self.preprocessing, rng)
        elif self.augmentation == "crop":
            image = random_crop(image, self.preprocessing.size, rng)
        seen = np.asarray(image, dtype=np.uint8)
        if self.augmentation != "none" and flips(rng):
            seen = seen[:, ::-1]
        return np.ascontiguousarray(seen.transpose(2, 0, 1))


def flips(rng: np.random.Generator) -> bool:
    """Return whether a picture is mirrored: in one of two cases."""
    return bool(rng.random() < 0.5)


def random_crop(image: Image.Image, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Cut out ``size`` (rows, columns) at a place drawn evenly."""
    rows, columns = size
    left = int(rng.integers(0, image.width - columns + 1))
    top = int(rng.integers(0, image.height - rows + 1))
    return image.crop((left, top, left + columns, top + rows))


def resized_crop(
    image: Image.Image, preprocessing: Preprocessing, rng: np.random.Generator
) -> Image.Image:
    """Cut out 8 to 100 % of the area at an aspect of 3/4 to 4/3, and bring it to the size.

    If ten draws do not fit into the picture, its centre is taken at the nearest aspect.

    Reference: Szegedy et al. 2015 (Inception's crops), with torchvision's fallback.
    """
    left, top, width, height = _drawn_box(image.width, image.height, rng)
    rows, columns = preprocessing.size
    cut = image.crop((left, top, left + width, top + height))
    return replace(preprocessing, size=(rows, columns), resize=None).view(cut)


def _drawn_box(width: int, height: int, rng: np.random.Generator) -> tuple[int, int, int, int]:
    for _ in range(_ATTEMPTS):
        area = width * height * rng.uniform(*_AREA)
        aspect = math.exp(rng.uniform(math.log(_ASPECT[0]), math.log(_ASPECT[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = rng.integers(0, width - w + 1), rng.integers(0, height - h + 1)
            return int(left), int(top), w, h
    aspect = min(max(width / height, _ASPECT[0]), _ASPECT[1])
    w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
    return (width - w) // 2, (height - h) // 2, w, h
