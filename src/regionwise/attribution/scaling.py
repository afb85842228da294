"""From raw maps to saliency: interpolate, then scale."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import InputError
from regionwise.evidence.masking import is_constant, min_max, resized
from regionwise.shapes import GridMaps

Normalize = Literal["min-max", "max", "image"]


def saliency_of(
    maps: GridMaps, size: tuple[int, ...], normalize: Normalize | None = "min-max"
) -> Float[Tensor, "n t *s h w"]:
    """Return maps at ``size``, scaled as :meth:`regionwise.Attribution.saliency` says.

    Raises:
        InputError: an unknown normalisation, or a size that does not fit or is below 1.
    """
    if len(size) != maps.dim() - 2 or min(size) < 1:
        raise InputError(f"a saliency map cannot have size {size}")
    n, t = maps.shape[:2]
    full = resized(maps.double(), size).reshape(n, t, 1, -1)
    raw = maps.reshape(n, t, 1, -1)
    if normalize == "min-max":
        full = min_max(full, constant=is_constant(raw))
    elif normalize == "image":
        shared = is_constant(raw.reshape(n, 1, -1))
        full = min_max(full.reshape(n, 1, -1), constant=shared)
    elif normalize == "max":
        full = full.relu()
        full = full / full.amax(dim=(-2, -1), keepdim=True).clamp_min(torch.finfo().tiny)
    elif normalize is not None:
        raise InputError(f"unknown normalisation {normalize!r}: min-max, max, image or None")
    return full.reshape(n, t, *size).to(maps.dtype)
