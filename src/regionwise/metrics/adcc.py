"""ADCC (Poppi et al. 2021): the harmonic mean of coherency, simplicity and confidence kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import InputError
from regionwise.metrics.altered import Fill, kept_images, kept_key, kept_logits
from regionwise.metrics.average_drop import relative_drop
from regionwise.metrics.case import Case
from regionwise.metrics.coherency import again_on_kept, coherency
from regionwise.metrics.complexity import complexity
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean_of_defined

Variant: TypeAlias = Literal["per-image", "of-means", "code"]


def adcc(
    coh: Float[Tensor, "*n"], com: Float[Tensor, "*n"], drop: Float[Tensor, "*n"]
) -> Float[Tensor, "*n"]:
    """Return 3 / (1 / coh + 1 / (1 - com) + 1 / (1 - AD)); 0 if any of the three is 0.

    Args:
        coh: coherency in [0, 1].
        com: complexity in [0, 1].
        drop: average drop in [0, 1].

    Reference: Poppi et al. 2021, Eq. 5.
    """
    factors = torch.stack([coh, 1 - com, 1 - drop])
    blank = (factors <= 0).any(dim=0)
    harmonic = 3 / (1 / factors.masked_fill(blank, 1)).sum(dim=0)
    return harmonic.masked_fill(blank, 0)


def adcc_code(
    coh: Float[Tensor, "*n"], com: Float[Tensor, "*n"], drop: Float[Tensor, "*n"]
) -> Float[Tensor, "*n"]:
    """Return what the authors' code returns; NaN where it ends in a division by zero.

    Its coherency and drop are Python numbers, its complexity is a tensor: com = 1 gives 0.
    """
    return adcc(coh, com, drop).masked_fill((coh == 0) | (drop == 1), torch.nan)


@dataclass(frozen=True)
class ADCC(Metric):
    """ADCC; the method explains once more.

    Attributes:
        variant: ``per-image``, then averaged; ``of-means``: the harmonic mean of the three means;
            ``code``: per image, with Y the largest probability and coherency for the predicted
            class, whichever class was explained, and NaN where the code fails.
        fill: what removed pixels become.
    """

    name: ClassVar[str] = "adcc"
    variant: Variant = "per-image"
    fill: Fill = "mean"

    def measure(self, case: Case) -> Values:
        """Explain and score what the map keeps."""
        before, again = self._reference(case)
        after = case.scores(kept_logits(case, fill=self.fill), "probability")
        drop = relative_drop(before, after)
        coh = coherency(case.saliency, again).to(drop.device)
        com = complexity(case.saliency).to(drop.device)
        formula = adcc_code if self.variant == "code" else adcc
        return Values(
            formula(coh, com, drop),
            extras={"coherency": coh, "complexity": com, "average-drop": drop},
        )

    def _reference(self, case: Case) -> tuple[Tensor, Tensor]:
        """Return Y, n, and E', n h w: of the targets, or of the predicted classes (``code``)."""
        if self.variant != "code":
            before = case.scores(case.logits(), "probability")
            return before, again_on_kept(case, self.fill)
        predicted = case.logits().argmax(dim=1)
        before = case.scores(case.logits(), "probability", predicted)
        if torch.equal(predicted, case.targets.to(predicted.device)):
            return before, again_on_kept(case, self.fill)
        key = ("predicted", kept_key("soft", self.fill))
        again = case.explained(key, lambda: kept_images(case, fill=self.fill), predicted)
        return before, again


def reduced(metric: Metric, values: Values) -> dict[str, float]:
    """Return ADCC over all images, and the means of its three parts.

    Raises:
        InputError: the values are of another metric.
    """
    if not isinstance(metric, ADCC) or values.values is None:
        raise InputError(f"these are no values of 'adcc', but of {metric.name!r}")
    parts = {name: mean_of_defined(column)[0] for name, column in values.extras.items()}
    value, undefined = mean_of_defined(values.values)
    if metric.variant == "of-means":
        coh, com, drop = (
            torch.tensor(parts[name], dtype=torch.float64)
            for name in ("coherency", "complexity", "average-drop")
        )
        value = float(adcc(coh, com, drop))
    return {"value": value, "undefined": undefined, **parts}
