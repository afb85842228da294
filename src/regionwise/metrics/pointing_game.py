"""The pointing game: does the brightest pixel lie on the object?

Reference: Zhang, Bargal, Lin, Brandt, Shen and Sclaroff 2018, Top-down neural attention by
excitation backprop; TorchRay's benchmark (15 pixels, strictly less).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regionwise.errors import InputError
from regionwise.metrics.case import Case
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean_of_defined

Ties: TypeAlias = Literal["share", "first", "any"]
At: TypeAlias = Literal["image", "map"]


def near_region(region: Bool[Tensor, "h w"], tolerance: float) -> Bool[Tensor, "h w"]:
    """Return the pixels at a distance strictly below ``tolerance`` from the region.

    Distances are between centres of pixels. With a tolerance of 1 or less that is the region.
    """
    grown = region.clone()
    rows, columns = region.shape
    reach = math.ceil(tolerance)
    before = region.cumsum(dim=1, dtype=torch.int32)  # how many lie left of a pixel, and it
    ends = before[:, -1:].expand(rows, reach)
    before = torch.cat([before.new_zeros(rows, reach + 1), before, ends], dim=1)
    for down in range(-min(reach, rows - 1), min(reach, rows - 1) + 1):
        left = tolerance**2 - down**2
        if left <= 0:
            continue
        wide = math.isqrt(math.ceil(left) - 1)  # the largest whole number whose square is below
        right_of, left_of = reach + wide + 1, reach - wide
        some = before[:, right_of : right_of + columns] > before[:, left_of : left_of + columns]
        grown[_span(down, rows)] |= some[_span(-down, rows)]
    return grown


def pointing_hit(
    saliency: Float[Tensor, "i j"],
    region: Bool[Tensor, "h w"],
    *,
    tolerance: float = 15.0,
    ties: Ties = "share",
) -> float:
    """Return 1 if the brightest pixel lies less than ``tolerance`` from the region, else 0.

    The map may be coarser than the region; a cell then points at its centre. ``ties`` says what
    several brightest pixels give: the ``share`` of them that hit (a constant map gets chance),
    what the ``first`` by rows gives, or a hit if ``any`` hits. NaN where the region is empty.

    Raises:
        InputError: the map is not finite.
    """
    return _hit(saliency, near_region(region, tolerance), ties)


def _hit(saliency: Float[Tensor, "i j"], near: Bool[Tensor, "h w"], ties: Ties) -> float:
    """Return the same for a region that is grown already; it is empty if the region was."""
    if not saliency.isfinite().all():
        raise InputError("the map is not finite; make blank maps zero and flag them")
    if not near.any():
        return float("nan")
    brightest = (saliency == saliency.max()).nonzero()
    size = torch.tensor(near.shape, device=saliency.device)
    cells = torch.tensor(saliency.shape, device=saliency.device)
    points = ((2 * brightest + 1) * size).div(2 * cells, rounding_mode="floor")
    hits = near[points[:, 0], points[:, 1]].double()
    if ties == "first":
        return float(hits[0])
    return float(hits.max() if ties == "any" else hits.mean())


def by_class(_: Metric, values: Values) -> dict[str, float]:
    """Return the mean over images, the mean over classes of their means, and chance."""
    numbers, classes = values.values, values.extras["target"]
    if numbers is None:
        raise InputError("the pointing game gives a number per image; these values have none")
    value, undefined = mean_of_defined(numbers)
    means = [mean_of_defined(numbers[classes == c])[0] for c in set(classes.tolist())]
    return {
        "value": value,
        "mean_over_classes": mean_of_defined(torch.tensor(means, dtype=torch.float64))[0],
        "chance": mean_of_defined(values.extras["chance"])[0],
        "undefined": undefined,
    }


@dataclass(frozen=True)
class PointingGame(Metric):
    """Whether the brightest pixel lies on, or near, the object.

    Attributes:
        tolerance: how near is near, in pixels of the input, strictly; 0 or 1 for none.
        ties: what several brightest pixels give.
        at: the map at the size of the ``image``, or the raw ``map`` at its own.
    """

    name: ClassVar[str] = "pointing-game"
    tolerance: int = field(default=15, metadata={"at_least": 0})
    ties: Ties = "share"
    at: At = "image"

    def measure(self, case: Case) -> Values:
        """Return a hit, a miss, or the share of tied pixels that hit; and chance."""
        regions = case.need("regions")
        maps = case.saliency if self.at == "image" else case.need("maps")
        reach = float(self.tolerance)
        near = [near_region(region, reach) for region in regions]
        hits = [_hit(map_, own, self.ties) for map_, own in zip(maps, near, strict=True)]
        chance = torch.stack([own.double().mean() for own in near])
        return Values(
            torch.tensor(hits, dtype=torch.float64),
            extras={"target": case.targets, "chance": chance},
        )


def _span(shift: int, length: int) -> slice:
    return slice(max(shift, 0), length + min(shift, 0))
