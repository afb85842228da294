"""How many of the objects in a picture a map covers.

Reference: Mitra et al. 2024, ScoreCAM++, section 6.2.
Choice: that section shows pictures and defines no number; the number here is ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from regionwise.metrics.case import Case
from regionwise.metrics.energy_game import box_mask
from regionwise.metrics.recipe import Metric, Values


def box_means(
    saliency: Float[Tensor, "h w"], boxes: Shaped[Tensor, "g 4"]
) -> tuple[Float[Tensor, " g"], float]:
    """Return the mean of the map in each box, and its mean outside all of them.

    A mean is NaN where there is no pixel.
    """
    size = (saliency.shape[0], saliency.shape[1])
    values = saliency.double()
    outside = float(values[~box_mask(boxes, size, device=saliency.device)].mean())
    masks = [box_mask(box[None], size, device=saliency.device) for box in boxes]
    means = [values[mask].mean() for mask in masks]
    return torch.stack(means) if means else values.new_zeros(0), outside


def object_coverage(
    saliency: Float[Tensor, "h w"], boxes: Shaped[Tensor, "g 4"]
) -> tuple[float, float]:
    """Return the share of objects that are covered, and how evenly.

    An object is covered if the map is brighter in its box, on average, than outside all boxes. How
    evenly: the smallest mean in a box over the largest, NaN where all are zero.

    Both are NaN without an object, where a box holds no pixel, and where boxes fill the picture.
    """
    means, outside = box_means(saliency, boxes)
    if not len(means) or means.isnan().any() or math.isnan(outside):
        return math.nan, math.nan
    return float((means > outside).double().mean()), float(means.min() / means.max())


@dataclass(frozen=True)
class ObjectCoverage(Metric):
    """Share of the objects that the map covers.

    Attributes:
        several: only images with two objects or more count; the others are NaN.
    """

    name: ClassVar[str] = "object-coverage"
    several: bool = True

    def measure(self, case: Case) -> Values:
        """Return the share of objects covered; and how evenly."""
        least = 2 if self.several else 1
        undefined = (math.nan, math.nan)
        found = [
            object_coverage(map_, boxes) if len(boxes) >= least else undefined
            for map_, boxes in zip(case.saliency, case.need("boxes"), strict=True)
        ]
        table = torch.tensor(found, dtype=torch.float64)
        return Values(table[:, 0], extras={"evenness": table[:, 1]})
