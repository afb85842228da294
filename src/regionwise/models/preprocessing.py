"""From a picture to what the model sees, recorded as numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        if min(self.size) < 1 or len(self.mean) != len(self.std) or min(self.std) <= 0:
            raise InputError(f"preprocessing makes no sense: {self}")

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Preprocessing:
        """Return the settings that :meth:`describe` gave.

        Raises:
            InputError: a setting is unknown, or of another kind.
        """
        known = [f.name for f in fields(cls)]
        unknown = sorted(set(value) - set(known))
        if unknown:
            raise InputError(f"preprocessing has no {unknown[0]!r}; it has {known}")
        settings: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in value.items()
        }
        try:
            return cls(**settings)
        except TypeError as error:
            raise InputError(f"preprocessing makes no sense: {dict(value)}") from error

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
