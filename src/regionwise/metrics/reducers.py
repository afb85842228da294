"""From the values of all images to one answer."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.metrics.recipe import Metric, Values


def mean_of_defined(values: Float[Tensor, " n"]) -> tuple[float, float]:
    """Return the mean of the values that are not NaN, and the share of those that are."""
    undefined = values.isnan()
    return float(values[~undefined].double().mean()), float(undefined.double().mean())


def mean(_: Metric, values: Values) -> dict[str, float]:
    """Return the mean over images, and the share of images for which there is no number."""
    numbers = values.values if values.values is not None else torch.empty(0)
    value, undefined = mean_of_defined(numbers)
    return {"value": value, "undefined": undefined}
