"""From a picture to what the model sees, recorded as numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from regionwise.errors import InputError
from regionwise.shapes import Images, Inputs

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)

_FILTERS: Final = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


_LARGEST: Final = 1 << 14
"""Pixels; nobody trains on larger inputs, and a broken file shall not fill the memory."""


def _holds(value: Any, counts: set[int], kinds: set[type]) -> bool:
    """Whether this is a list of so many values, all of these kinds."""
    listed = isinstance(value, list | tuple) and len(value) in counts
    return listed and {type(item) for item in value} <= kinds


_KINDS: Final[dict[str, tuple[str, Callable[[Any], bool]]]] = {
    "size": ("rows and columns", lambda v: _holds(v, {2}, {int})),
    "resize": (
        "a side, rows and columns, or null",
        lambda v: v is None or type(v) is int or _holds(v, {2}, {int}),
    ),
    "mean": ("numbers per colour", lambda v: _holds(v, {1, 3}, {int, float})),
    "std": ("numbers per colour", lambda v: _holds(v, {1, 3}, {int, float})),
    "interpolation": ("the name of a filter", lambda v: isinstance(v, str)),
}
"""What a file must hold to be read; it may hold anything."""


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop, scale to [0, 1], subtract the mean, divide by the deviation.

    Attributes:
        size: rows and columns of the crop.
        resize: length of the shorter side before the crop; or rows and columns before the crop;
            ``None`` resizes both sides to ``size``. The last two keep no aspect ratio.
        mean: per colour, in [0, 1]; zeros leave the scale alone.
        std: per colour, in [0, 1]; ones leave the scale alone.
        interpolation: nearest, bilinear, bicubic or lanczos.
    """

    size: tuple[int, int] = (224, 224)
    resize: int | tuple[int, int] | None = 256
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if self.interpolation not in _FILTERS:
            raise InputError(
                f"unknown interpolation {self.interpolation!r}; give one of {sorted(_FILTERS)}"
            )
        colours = len(self.mean) == len(self.std) in {1, 3} and min(self.std) > 0
        if not colours or not all(map(math.isfinite, (*self.mean, *self.std))):
            raise InputError(f"preprocessing makes no sense: {self}; mean and std are per colour")
        sides = (*self.size, *(self.resize if isinstance(self.resize, tuple) else [self.resize]))
        if not all(side is None or 1 <= side <= _LARGEST for side in sides):
            raise InputError(f"preprocessing makes no sense: {self}; sides are 1 to {_LARGEST}")

    @classmethod
    def from_json(cls, value: Any) -> Preprocessing:
        """Return the settings that :meth:`describe` gave.

        Raises:
            InputError: a setting is unknown, or of another kind.
        """
        if not isinstance(value, Mapping):
            raise InputError(f"preprocessing is an object with fields, not {value!r}")
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(value) - set(known))
        if unknown:
            raise InputError(f"preprocessing has no {unknown[0]!r}; it has {known}")
        for name, setting in value.items():
            what, fits = _KINDS[name]
            if not fits(setting):
                raise InputError(f"{name} of the preprocessing must be {what}, not {setting!r}")
        settings: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in value.items()
        }
        return cls(**settings)

    def view(self, image: Image.Image) -> Image.Image:
        """Return the part of the picture that the model sees, RGB, resized and cropped."""
        image = image.convert("RGB")
        rows, columns = self.size
        if self.resize is None:
            return image.resize((columns, rows), _FILTERS[self.interpolation])
        width, height = image.size
        short = min(width, height)
        if isinstance(self.resize, tuple):
            scaled = self.resize[1], self.resize[0]
        else:
            scaled = int(self.resize * width / short), int(self.resize * height / short)
        image = image.resize(scaled, _FILTERS[self.interpolation])
        left, top = round((scaled[0] - columns) / 2), round((scaled[1] - rows) / 2)
        return image.crop((left, top, left + columns, top + rows))

    def __call__(self, images: Image.Image | Sequence[Image.Image]) -> Inputs:
        """Return the inputs n c h w for one picture or several."""
        several = [images] if isinstance(images, Image.Image) else list(images)
        if not several:
            raise InputError("there is no picture to explain; give at least one")
        return self.normalize(torch.cat([to_tensor(self.view(image)) for image in several]))

    def normalize(self, images: Images) -> Inputs:
        """Turn RGB in [0, 1] into what the model sees."""
        mean, std = self._constants(images)
        return (images - mean) / std

    def denormalize(self, inputs: Inputs) -> Images:
        """Turn what the model sees back into RGB in [0, 1]."""
        mean, std = self._constants(inputs)
        return (inputs * std + mean).clamp(0, 1)

    def describe(self) -> dict[str, Any]:
        """Return the settings as JSON can hold them."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    def _constants(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return like.new_tensor(self.mean)[:, None, None], like.new_tensor(self.std)[:, None, None]


def to_tensor(image: Image.Image) -> Float[Tensor, "1 3 h w"]:
    """Return an RGB picture as a tensor in [0, 1]."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0)
