"""The energy pointing game: how much of a map lies in the object's boxes.

Reference: Wang et al. 2020, Score-CAM (energy-based pointing game); the same over a mask is the
relevance mass accuracy of Arras, Osman and Samek 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Shaped
from torch import Tensor

from regionwise.errors import InputError
from regionwise.metrics.case import Case
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean_of_defined


def box_mask(
    boxes: Shaped[Tensor, "g 4"], size: tuple[int, int], *, device: torch.device | None = None
) -> Bool[Tensor, "h w"]:
    """Return the pixels in any of the boxes: left, top, right, bottom, half-open.

    A pixel is in a box if its centre is: rows lie in top..bottom, columns in left..right.
    ``size`` is rows, columns.
    """
    rows = torch.arange(size[0], device=device)[:, None] + 0.5
    columns = torch.arange(size[1], device=device)[None, :] + 0.5
    mask = torch.zeros(size, dtype=torch.bool, device=device)
    for left, top, right, bottom in boxes.tolist():
        inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        mask |= inside
    return mask


def energy_share(
    saliency: Float[Tensor, "n h w"], regions: Bool[Tensor, "n h w"]
) -> Float[Tensor, " n"]:
    """Return sum_region s / sum s, in 0..1; NaN where the map sums to zero.

    Raises:
        InputError: a map has negative values; clip it, or take the saliency.

    Reference: Wang et al. 2020, energy-based pointing game.
    """
    if (saliency < 0).any():
        raise InputError("a share of energy needs maps that are not negative; clip them first")
    values = saliency.double()
    return (values * regions).sum(dim=(1, 2)) / values.sum(dim=(1, 2))


def with_chance(_: Metric, values: Values) -> dict[str, float]:
    """Return the mean share, what a constant map gets on the same images, and their ratio."""
    if values.values is None:
        raise InputError("a share of energy is a number per image; these values have none")
    value, undefined = mean_of_defined(values.values)
    chance = mean_of_defined(values.extras["chance"][~values.values.isnan()])[0]
    return {"value": value, "chance": chance, "lift": value / chance, "undefined": undefined}


@dataclass(frozen=True)
class EnergyPointingGame(Metric):
    """Share of the map inside the boxes of the object.

    Attributes:
        largest: images whose boxes cover a larger share are left out (NaN); the paper takes 0.5,
            and images with one box.
        one_box: images with several boxes are left out, too.
    """

    name: ClassVar[str] = "energy-pointing-game"
    largest: float = field(default=1.0, metadata={"at_least": 0})
    one_box: bool = False

    def measure(self, case: Case) -> Values:
        """Return the shares, and the shares of the area."""
        boxes: Sequence[Tensor] = case.need("boxes")
        size = (case.saliency.shape[1], case.saliency.shape[2])
        device = case.saliency.device
        regions = torch.stack([box_mask(b, size, device=device) for b in boxes])
        area = regions.double().mean(dim=(1, 2))
        counts = torch.tensor([len(b) for b in boxes], device=device)
        left_out = (area > self.largest) | (counts == 0) | ((counts > 1) & self.one_box)
        shares = energy_share(case.saliency, regions).masked_fill(left_out, torch.nan)
        return Values(shares, extras={"chance": area})


@dataclass(frozen=True)
class RelevanceMass(Metric):
    """Share of the map inside the mask of the object, or of the cue."""

    name: ClassVar[str] = "relevance-mass"

    def measure(self, case: Case) -> Values:
        """Return the shares, and the shares of the area."""
        regions = case.need("regions")
        empty = ~regions.flatten(1).any(dim=1)
        shares = energy_share(case.saliency, regions).masked_fill(empty, torch.nan)
        return Values(shares, extras={"chance": regions.double().mean(dim=(1, 2))})
