"""Conjugate gradients on pictures, helped by coarser copies of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.errors import InputError

COARSEST: Final = 3
"""Rows or columns below which no coarser copy is made."""

OPEN: Final = 0.8
"""Share of a coarse cell's surroundings that must be unknown for the cell to take part."""


def conjugate_gradients(
    system: Callable[[Tensor], Tensor],
    right: Float[Tensor, "s c h w"],
    where: Float[Tensor, "s 1 h w"],
    *,
    tolerance: float,
    most: int,
) -> Float[Tensor, "s c h w"]:
    """Solve a symmetric positive definite system, for each plane by itself, from zero.

    Residuals are first smoothed by :func:`coarse_help`, which is symmetric and positive definite
    too: where neighbours are coupled, steps grow slowly with the size of what is unknown.

    Args:
        system: the matrix, applied to s c h w.
        right: the right-hand side, zero outside ``where``.
        where: 1 where a pixel is unknown, 0 elsewhere.
        tolerance: of the residual, relative to the right-hand side.
        most: steps before giving up.

    Raises:
        InputError: a residual is still above ``tolerance`` times its right-hand side.
    """
    open_cells = coarser(where)
    found, left = torch.zeros_like(right), right
    goal = tolerance**2 * _dot(right, right)
    step = helped = coarse_help(left, open_cells)
    gain = _dot(left, helped)
    for _ in range(most):
        if (_dot(left, left) <= goal).all():
            return found
        moved = system(step)
        length = _ratio(gain, _dot(step, moved))
        found, left = found + length * step, left - length * moved
        helped = coarse_help(left, open_cells)
        gain, before = _dot(left, helped), gain
        step = helped + _ratio(gain, before) * step
    raise InputError(
        f"conjugate gradients did not reach a residual of {tolerance:g} in {most} steps;"
        " allow more, or a larger residual"
    )


def coarser(where: Float[Tensor, "s 1 h w"]) -> list[Tensor]:
    """Return which cells take part, from the pixels to ever coarser grids of half the size."""
    levels = [where]
    while min(levels[-1].shape[-2:]) > COARSEST:
        share = halved(levels[-1]) / halved(torch.ones_like(levels[-1]))
        levels.append((share >= OPEN).to(where.dtype))
    return levels


def coarse_help(
    left: Float[Tensor, "s c h w"], open_cells: list[Tensor]
) -> Float[Tensor, "s c h w"]:
    """Return the residual plus what its coarser copies, spread again, add to it.

    Reference: Bramble, Pasciak and Xu 1990, for a Laplacian in the plane.
    """
    copies = [left]
    for where in open_cells[1:]:
        copies.append(where * halved(copies[-1]))
    total = copies.pop()
    for finer, where in zip(reversed(copies), reversed(open_cells[:-1]), strict=True):
        rows, columns = finer.shape[-2:]
        total = where * (finer + doubled(total, rows, columns))
    return total


def halved(values: Float[Tensor, "*b h w"]) -> Float[Tensor, "*b i j"]:
    """Add up weighted neighbourhoods of four by four, every second row and column."""
    return _halve(_halve(values).transpose(-1, -2)).transpose(-1, -2)


def doubled(values: Float[Tensor, "*b i j"], rows: int, columns: int) -> Tensor:
    """Interpolate to twice the size: the transpose of :func:`halved`."""
    return _double(_double(values, rows).transpose(-1, -2), columns).transpose(-1, -2)


def _halve(values: Tensor) -> Tensor:
    """Weigh rows 2i - 1 ... 2i + 2 by 1, 3, 3, 1 quarters; zeros beyond the border."""
    rows = values.shape[-2]
    padded = F.pad(values, (0, 0, 1, 2 if rows % 2 else 1))
    odd, even, half = padded[..., 0::2, :], padded[..., 1::2, :], (rows + 1) // 2
    near = even[..., :half, :] + odd[..., 1 : half + 1, :]
    return (3 * near + odd[..., :half, :] + even[..., 1 : half + 1, :]) / 4


def _double(values: Tensor, rows: int) -> Tensor:
    padded = F.pad(values, (0, 0, 1, 1))
    even = (3 * values + padded[..., :-2, :]) / 4
    odd = (3 * values + padded[..., 2:, :]) / 4
    return torch.stack([even, odd], dim=-2).flatten(-3, -2)[..., :rows, :]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(-2, -1), keepdim=True)


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """Return a / b; 0 where b is, as for a plane that is solved exactly."""
    return torch.where(b > 0, a / b.masked_fill(b <= 0, 1), 0)
