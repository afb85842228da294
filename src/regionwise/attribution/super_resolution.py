"""One fine map from many coarse ones, each seen through its own turn and shift."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.attribution.warps import read_at

FineMap = Float[Tensor, "t h w"]


def coarse_views(
    fine: FineMap, places: Float[Tensor, "l h w 2"], cells: tuple[int, int]
) -> Float[Tensor, "l t i j"]:
    """Return what a fine map looks like in each warped copy: D A_l h.

    A_l turns and shifts; D is the mean over each cell.
    """
    copies = read_at(fine.expand(len(places), -1, -1, -1), places)
    return F.adaptive_avg_pool2d(copies, cells)


def misfit(
    fine: FineMap,
    places: Float[Tensor, "l h w 2"],
    coarse: Float[Tensor, "l t i j"],
    *,
    smooth: float = 0.002,
    small: float = 0.0001,
) -> Float[Tensor, ""]:
    """Return sum_l |D A_l h - g_l|^2 + L smooth TV(h) + L small |h|^2.

    TV is the sum of absolute differences d of neighbours in a row and in a column, with
    sqrt(d^2 + 10^-6) - 10^-3 for |d|: all pixels of a cell that was not moved have the same slope,
    and the sign of a difference that is only rounding must not decide where they go.

    Reference: Morbidelli et al. 2020, Eq. 4; the weights are those of the authors' code.
    """
    seen = coarse_views(fine, places, (coarse.shape[2], coarse.shape[3]))
    steps = sum(_rounded_off(fine.diff(dim=axis)).sum() for axis in (1, 2))
    penalty = smooth * steps + small * fine.square().sum()
    return (seen - coarse).square().sum() + len(coarse) * penalty


def _rounded_off(difference: Tensor) -> Tensor:
    return (difference.square() + 1e-6).sqrt() - 1e-3


def adam(gradient: Callable[[Tensor], Tensor], start: Tensor, *, rate: float, steps: int) -> Tensor:
    """Walk down a gradient by Adam (Kingma and Ba 2015) with its usual constants."""
    place, first, second = start, torch.zeros_like(start), torch.zeros_like(start)
    for step in range(1, steps + 1):
        slope = gradient(place)
        first = 0.9 * first + 0.1 * slope
        second = 0.999 * second + 0.001 * slope.square()
        scale = (second / (1 - 0.999**step)).sqrt() + 1e-8
        place = place - rate * first / (1 - 0.9**step) / scale
    return place


def super_resolved(
    coarse: Float[Tensor, "l t i j"],
    places: Float[Tensor, "l h w 2"],
    *,
    rate: float = 0.001,
    steps: int = 200,
) -> FineMap:
    """Find the fine map whose warped, coarse views are the given maps, each divided by its maximum.

    Args:
        coarse: a map per copy and target, l t i j; blank ones stay blank.
        places: where each pixel of each copy is read on the fine map, l h w 2.
        rate: of Adam, which starts from 0.
        steps: of Adam.
    """
    top = coarse.amax(dim=(-2, -1), keepdim=True)
    scaled = coarse / top.where(top > 0, 1)
    start = coarse.new_zeros(coarse.shape[1], *places.shape[1:3])
    slope = torch.func.grad(lambda fine: misfit(fine, places, scaled))
    return adam(slope, start, rate=rate, steps=steps)
