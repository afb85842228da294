"""Linear imputation (ROAD): removed pixels become weighted means of their neighbours."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regionwise.evidence.scoring import chunks
from regionwise.metrics.conjugate import conjugate_gradients


def linear_imputation(
    images: Float[Tensor, "s c h w"],
    removed: Bool[Tensor, "s h w"],
    *,
    tolerance: float = 1e-8,
    most: int = 20_000,
) -> Float[Tensor, "s c h w"]:
    """Replace removed pixels by the weighted mean of their eight neighbours, all at once.

    A removed pixel v solves sum_u w_uv (x_v - x_u) = 0 over its neighbours u within the image, with
    weights 1/6 along edges and 1/12 across corners; removed neighbours are unknowns too. The
    system is symmetric, and positive definite as long as one pixel is kept; it is solved by
    conjugate gradients in double precision. Where no pixel is kept, zeros are put.

    Args:
        images: s c h w.
        removed: which pixels are unknown, s h w.
        tolerance: of the residual, relative to the right-hand side.
        most: steps before giving up.

    Raises:
        InputError: not solved within ``most`` steps.

    Reference: Rong et al. 2022 (ROAD), Sec. 4.2.
    """
    unknown = removed.unsqueeze(1).to(images.device)
    together = 1 if images.device.type == "cpu" else len(images)  # what a cache holds
    parts = [
        _solved(images[part], unknown[part], tolerance=tolerance, most=most)
        for part in chunks(len(images), together)
    ]
    return torch.where(unknown, torch.cat(parts).to(images.dtype), images)


def neighbours(values: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b h w"]:
    """Return the weighted sum of each pixel's neighbours; beyond the border there is nothing.

    The weights are those of (1 2 1) by (1 2 1) without the middle, divided by 12.
    """
    rows = _one_two_one(values)
    both = _one_two_one(rows.transpose(-1, -2)).transpose(-1, -2)
    return (both - 4 * values) / 12


def _solved(
    images: Float[Tensor, "s c h w"],
    unknown: Bool[Tensor, "s 1 h w"],
    *,
    tolerance: float,
    most: int,
) -> Float[Tensor, "s c h w"]:
    known, where = images.double().masked_fill(unknown, 0), unknown.double()
    degree = neighbours(torch.ones_like(where))

    def system(values: Tensor) -> Tensor:
        return where * (degree * values - neighbours(values))

    right = where * neighbours(known)
    return conjugate_gradients(system, right, where, tolerance=tolerance, most=most)


def _one_two_one(values: Tensor) -> Tensor:
    """Return v_(i-1) + 2 v_i + v_(i+1) along the rows' axis, zeros beyond the border."""
    summed = 2 * values
    summed[..., 1:, :] += values[..., :-1, :]
    summed[..., :-1, :] += values[..., 1:, :]
    return summed
