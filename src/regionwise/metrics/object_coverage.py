"""How many of the objects in a picture a map covers.

Reference: Mitra et al. 2024, ScoreCAM++, section 6.2.
Choice: that section shows pictures and defines no number; the number here is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from regionwise.metrics.case import Case
from regionwise.metrics.energy_game import box_mask
from regionwise.metrics.recipe import Metric, Values


def object_lifts(
    saliency: Float[Tensor, "h w"], boxes: Shaped[Tensor, "g 4"]
) -> Float[Tensor, " g"]:
    """Return the mean of the map in each box, divided by its mean outside all boxes.

    1 is what a constant map gets; infinite if the map is zero outside. NaN where a box holds no
    pixel, where the boxes fill the picture, or where the whole map is zero.
    """
    size = (saliency.shape[0], saliency.shape[1])
    values = saliency.double()
    outside = values[~box_mask(boxes, size, device=saliency.device)].mean()
    masks = [box_mask(box[None], size, device=saliency.device) for box in boxes]
    means = [values[mask].mean() for mask in masks]
    return torch.stack(means) / outside if means else values.new_zeros(0)


def object_coverage(
    saliency: Float[Tensor, "h w"], boxes: Shaped[Tensor, "g 4"]
) -> tuple[float, float]:
    """Return the share of objects that are covered, and how evenly.

    An object is covered if the map is brighter in its box, on average, than outside all boxes. How
    evenly: the smallest mean in a box over the largest. A map that is zero covers nothing.

    Both are NaN without an object, and where boxes are empty or fill the picture.
    """
    lifts = object_lifts(saliency, boxes)
    if saliency.max() == 0 and len(boxes):
        return 0.0, float("nan")
    if not len(lifts) or lifts.isnan().any():
        return float("nan"), float("nan")
    covered = float((lifts > 1).double().mean())
    return covered, float(lifts.min() / lifts.max()) if lifts.isfinite().all() else float("nan")


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
        undefined = (float("nan"), float("nan"))
        found = [
            object_coverage(map_, boxes) if len(boxes) >= least else undefined
            for map_, boxes in zip(case.saliency, case.need("boxes"), strict=True)
        ]
        table = torch.tensor(found, dtype=torch.float64)
        return Values(table[:, 0], extras={"evenness": table[:, 1]})
