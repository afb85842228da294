"""How alike two sets of maps are."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor


def difference(ours: Tensor, plain: Tensor) -> float:
    """Return max |ours - plain| / max |plain|, of the map where it is largest; maps come first.

    A plain map that is zero everywhere is taken for one whose largest value is 1.
    """
    pairs = _flat(ours, plain)
    return max(
        float((own - other).abs().max()) / (float(other.abs().max()) or 1) for own, other in pairs
    )


def correlation(ours: Tensor, plain: Tensor) -> float:
    """Return Pearson's correlation of the map where it is smallest; maps come first.

    Two constant maps are alike, a constant map and another are not.
    """
    return min(_pearson(own, other) for own, other in _flat(ours, plain))


def _pearson(own: Tensor, other: Tensor) -> float:
    constant = [bool(one.amin() == one.amax()) for one in (own, other)]
    if any(constant):
        return float(all(constant))
    return float(torch.corrcoef(torch.stack([own, other]))[0, 1])


def _flat(ours: Tensor, plain: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    own, other = ours.detach().double().cpu(), plain.detach().double().cpu()
    return zip(own.reshape(len(own), -1), other.reshape(len(own), -1), strict=True)
