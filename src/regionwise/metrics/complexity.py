"""Complexity, sparseness and area: how much of the image a map covers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import SettingError
from regionwise.metrics.case import Case
from regionwise.metrics.recipe import Metric, Values


def complexity(saliency: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return the mean absolute value of each map, sum |E| / (h w).

    Reference: Poppi et al. 2021, Eq. 4, and code.
    Choice: divided by the number of pixels, as in the code; CAPE prints the sum.
    """
    return saliency.double().abs().mean(dim=(1, 2))


def gini(saliency: Float[Tensor, "n h w"]) -> Float[Tensor, " n"]:
    """Return the Gini index of each map: 0 if all pixels are equal, 1 - 1 / N for a single one.

    With |E| sorted upwards as v_1 ... v_N: 1 - 2 sum_k (v_k / sum v) (N - k + 1/2) / N.
    NaN where the map is zero.

    Reference: Hurley and Rickard 2009, Eq. 2.
    """
    values = saliency.double().abs().flatten(1).sort(dim=1).values
    count = values.shape[1]
    places = torch.arange(1, count + 1, dtype=values.dtype, device=values.device)
    return 1 - 2 * (values * (count - places + 0.5)).sum(dim=1) / (count * values.sum(dim=1))


def area(saliency: Float[Tensor, "n h w"], threshold: float) -> Float[Tensor, " n"]:
    """Return the share of pixels above ``threshold`` times the largest value of their map."""
    highest = saliency.amax(dim=(1, 2), keepdim=True)
    return (saliency > threshold * highest).double().mean(dim=(1, 2))


@dataclass(frozen=True)
class Complexity(Metric):
    """Complexity: the mean of the map."""

    name: ClassVar[str] = "complexity"

    def measure(self, case: Case) -> Values:
        """Average each map."""
        return Values(complexity(case.saliency))


@dataclass(frozen=True)
class Sparseness(Metric):
    """Sparseness: the Gini index of the map."""

    name: ClassVar[str] = "sparseness"

    def measure(self, case: Case) -> Values:
        """Return the Gini index of each map."""
        return Values(gini(case.saliency))


@dataclass(frozen=True)
class Area(Metric):
    """Area: the share of pixels above a threshold.

    Attributes:
        threshold: a share of the map's largest value, in [0, 1).
    """

    name: ClassVar[str] = "area"
    threshold: float = 0.5

    def __post_init__(self) -> None:
        """Refuse a threshold that no pixel, or every pixel, passes."""
        super().__post_init__()
        check_threshold(self.name, self.threshold)

    def measure(self, case: Case) -> Values:
        """Count pixels above the threshold."""
        return Values(area(case.saliency, self.threshold))


def check_threshold(name: str, threshold: float) -> None:
    """Refuse a share of the maximum outside [0, 1).

    Raises:
        SettingError: names the value.
    """
    if not 0 <= threshold < 1:
        raise SettingError(
            f"setting 'threshold' of {name!r} is a share of the maximum from 0 to below 1,"
            f" not {threshold}"
        )
