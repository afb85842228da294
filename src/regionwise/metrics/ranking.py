"""Which pixel comes first: orders of saliency, with a rule for equal values."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float, Int
from torch import Tensor

Ties: TypeAlias = Literal["first", "last"]
"""Of equal values, the first in reading order comes first, or the last does."""


def ranks_of(maps: Float[Tensor, "n h w"], ties: Ties = "first") -> Int[Tensor, "n h w"]:
    """Return the rank of each pixel: 0 for the most salient, h w - 1 for the least.

    Choice: of equal values the first in reading order (rows, then columns) comes first.
    ``ties="last"`` is what sorting upwards and reversing gives, as in RISE's code, where a stable
    sort is used.
    """
    flat = maps.flatten(1)
    if ties == "last":
        order = flat.sort(dim=1, stable=True).indices.flip(1)
    else:
        order = flat.sort(dim=1, stable=True, descending=True).indices
    places = torch.arange(flat.shape[1], device=maps.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places).reshape(maps.shape)
