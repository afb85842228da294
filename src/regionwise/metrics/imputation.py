"""Linear imputation (ROAD): removed pixels become weighted means of their neighbours."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regionwise.errors import InputError


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
    known = images.double().masked_fill(unknown, 0)
    where = unknown.double()
    degree = neighbours(torch.ones_like(where))

    def system(values: Tensor) -> Tensor:
        return where * (degree * values - neighbours(values))

    found = conjugate_gradients(system, where * neighbours(known), tolerance=tolerance, most=most)
    return torch.where(unknown, found.to(images.dtype), images)


def neighbours(values: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b h w"]:
    """Return the weighted sum of each pixel's neighbours; beyond the border there is nothing.

    The weights are those of (1 2 1) by (1 2 1) without the middle, divided by 12.
    """
    rows = _one_two_one(values)
    both = _one_two_one(rows.transpose(-1, -2)).transpose(-1, -2)
    return (both - 4 * values) / 12


def conjugate_gradients(
    system: Callable[[Tensor], Tensor],
    right: Float[Tensor, "*b h w"],
    *,
    tolerance: float,
    most: int,
) -> Float[Tensor, "*b h w"]:
    """Solve a symmetric positive definite system, for each plane by itself, from zero.

    Raises:
        InputError: a residual is still above ``tolerance`` times its right-hand side.
    """
    found, left, step = torch.zeros_like(right), right, right
    size = goal = _dot(left, left)
    goal = goal * tolerance**2
    for _ in range(most):
        if (size <= goal).all():
            return found
        moved = system(step)
        length = _ratio(size, _dot(step, moved))
        found, left = found + length * step, left - length * moved
        size, before = _dot(left, left), size
        step = left + _ratio(size, before) * step
    raise InputError(
        f"imputation did not reach a residual of {tolerance:g} in {most} steps;"
        " allow more, or a larger residual"
    )


def _one_two_one(values: Tensor) -> Tensor:
    """Return v_(i-1) + 2 v_i + v_(i+1) along the rows' axis, zeros beyond the border."""
    summed = 2 * values
    summed[..., 1:, :] += values[..., :-1, :]
    summed[..., :-1, :] += values[..., 1:, :]
    return summed


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(-2, -1), keepdim=True)


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """Return a / b; 0 where b is, as for a plane that is solved exactly."""
    return torch.where(b > 0, a / b.masked_fill(b <= 0, 1), 0)
