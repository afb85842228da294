"""Percentiles of maps."""

from __future__ import annotations

import math

from jaxtyping import Float
from torch import Tensor


def percentile(maps: Float[Tensor, "*b i j"], theta: float) -> Float[Tensor, "*b 1 1"]:
    """Return the ``theta`` percentile (0 to 100) of each map, interpolated linearly, as numpy does.

    ``torch.quantile`` does the same, but refuses more than 16 million values.
    """
    ordered = maps.flatten(-2).sort(dim=-1).values
    place = theta / 100 * (ordered.shape[-1] - 1)
    below, above = ordered[..., math.floor(place)], ordered[..., math.ceil(place)]
    return (below + (place - math.floor(place)) * (above - below))[..., None, None]
