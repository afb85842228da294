"""Overlap of the maps of the two most probable classes (CAPE)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.metrics.case import Case
from regionwise.metrics.complexity import check_threshold
from regionwise.metrics.recipe import Metric, Values


def map_iou(
    first: Float[Tensor, "n h w"], second: Float[Tensor, "n h w"], *, threshold: float = 0.2
) -> Float[Tensor, " n"]:
    """Return |S_1 and S_2| / |S_1 or S_2|, S_c the pixels above ``threshold`` max E_c.

    NaN where both are empty, as the masks of zero maps are.

    Reference: Chowdhury et al. 2024 (CAPE), Sec. 4.3.
    """
    masks = [maps > threshold * maps.amax(dim=(1, 2), keepdim=True) for maps in (first, second)]
    both = (masks[0] & masks[1]).sum(dim=(1, 2)).double()
    either = (masks[0] | masks[1]).sum(dim=(1, 2)).double()
    return torch.where(either > 0, both / either, torch.nan)


@dataclass(frozen=True)
class Top2IoU(Metric):
    """Overlap of the maps of the explained class and the class that came second.

    Attributes:
        threshold: a share of each map's largest value, in [0, 1).
    """

    name: ClassVar[str] = "top2-iou"
    threshold: float = 0.2

    def __post_init__(self) -> None:
        """Refuse a threshold that no pixel, or every pixel, passes."""
        super().__post_init__()
        check_threshold(self.name, self.threshold)

    def measure(self, case: Case) -> Values:
        """Compare the two maps of each image."""
        return Values(map_iou(case.saliency, case.need("second"), threshold=self.threshold))
