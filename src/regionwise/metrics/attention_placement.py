"""Where a map lies: its share on every segment of the picture, and on the segments' boundaries.

Reference: Chowdhury et al. 2024, CAPE, section 4.2 and the supplement's Table 6: nucleus,
cytoplasm, the cell's exterior, and their touching boundaries.
Choice: the paper gives no width of a boundary and no rule; both are ours, and settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from regionwise.errors import InputError
from regionwise.metrics.case import Case
from regionwise.metrics.distance import distance_to
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean_of_defined


def zone_names(segments: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the zones: every segment, then every pair of segments, ``a|b``."""
    return (*segments, *(f"{a}|{b}" for a, b in combinations(segments, 2)))


def zones_of(segments: NDArray[np.integer], count: int, width: float) -> NDArray[np.int64]:
    """Return for every pixel the index of its zone in :func:`zone_names`.

    A pixel lies on the boundary of its segment and the nearest other one if that is no further
    than ``width`` pixels, centre to centre; of two equally near, the one of lower number counts. A
    boundary is so ``width`` pixels wide on either side; with 0 there is none.

    Raises:
        InputError: a number is no segment's.
    """
    if segments.size and segments.max() < 0:
        raise InputError("the picture has no segments")
    if segments.size and not 0 <= segments.min() <= segments.max() < count:
        raise InputError(
            f"segments are numbered 0 to {count - 1}, not {segments.min()} to {segments.max()}"
        )
    distances = np.stack([distance_to(segments == s) for s in range(count)])
    np.put_along_axis(distances, segments[None].astype(np.int64), np.inf, axis=0)
    other = distances.argmin(axis=0)
    near = distances.min(axis=0) <= width
    table = np.zeros((count, count), dtype=np.int64)
    for index, (a, b) in enumerate(combinations(range(count), 2), start=count):
        table[a, b] = table[b, a] = index
    return np.where(near, table[segments, other], segments)


def zone_shares(
    maps: Float[Tensor, "n h w"], zones: Int[Tensor, "n h w"], count: int
) -> Float[Tensor, "n z"]:
    """Return the share of each map's mass in each of ``count`` zones; a row sums to 1.

    Mass is the magnitude, so that evidence for and against counts. NaN where a map is zero.
    """
    mass = maps.double().abs().flatten(1)
    sums = mass.new_zeros(len(mass), count).scatter_add(1, zones.flatten(1).long(), mass)
    return sums / mass.sum(dim=1, keepdim=True)


def mean_by_zone(_: Metric, values: Values) -> dict[str, float]:
    """Return the mean share on boundaries, and of every zone its share of map and of area."""
    if values.values is None:
        raise InputError("attention placement has a number per image; these values have none")
    value, undefined = mean_of_defined(values.values)
    names = {name: mean_of_defined(column)[0] for name, column in values.extras.items()}
    return {"value": value, "undefined": undefined, **names}


@dataclass(frozen=True)
class AttentionPlacement(Metric):
    """Share of the map on every segment and on the boundaries between them.

    Attributes:
        width: how far a boundary reaches into either segment, in pixels; 0 for none.
    """

    name: ClassVar[str] = "attention-placement"
    width: float = field(default=5.0, metadata={"at_least": 0})

    def measure(self, case: Case) -> Values:
        """Return the share on boundaries; ``share:ZONE`` and ``area:ZONE`` of every zone."""
        segments: Tensor = case.need("segments")
        names = case.truth.segment_names if case.truth else ()
        zones = zone_names(names)
        where = torch.from_numpy(
            np.stack([zones_of(s, len(names), self.width) for s in segments.cpu().numpy()])
        ).to(case.saliency.device)
        shares = zone_shares(case.saliency, where, len(zones))
        areas = zone_shares(torch.ones_like(case.saliency), where, len(zones))
        extras = {f"share:{zone}": shares[:, index] for index, zone in enumerate(zones)}
        extras |= {f"area:{zone}": areas[:, index] for index, zone in enumerate(zones)}
        return Values(shares[:, len(names) :].sum(dim=1), extras=extras)
