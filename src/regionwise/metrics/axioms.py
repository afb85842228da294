"""Three axioms of attributions: implementation invariance, sensitivity, completeness.

Reference: Sundararajan, Taly and Yan 2017, Axiomatic attribution for deep networks, sections 2 and
3; Kim et al. 2021, CALM, sections 3.1 and 4.2 (for class activation maps).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.scaling import Normalize, saliency_of
from regionwise.errors import InputError
from regionwise.metrics.case import Case
from regionwise.metrics.gauge import gauged
from regionwise.metrics.judge import Judge, Score
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean_of_defined

Baseline: TypeAlias = Literal["none", "zeros"]


def invariance_gap(
    maps: Float[Tensor, "n i j"],
    others: Float[Tensor, "n i j"],
    *,
    normalize: Normalize | None = "min-max",
) -> Float[Tensor, " n"]:
    """Return the largest difference of two networks' maps, each normalised; 0 is invariant.

    With ``None`` maps are compared raw, relative to the largest magnitude of the first.
    """
    a, b = (saliency_of(m.double()[:, None], tuple(m.shape[1:]), normalize) for m in (maps, others))
    gap = (a - b).abs().flatten(1).amax(dim=1)
    if normalize is not None:
        return gap
    return gap / a.abs().flatten(1).amax(dim=1).clamp_min(torch.finfo(torch.float64).tiny)


def completeness_gap(
    maps: Float[Tensor, "n i j"], change: Float[Tensor, " n"]
) -> Float[Tensor, " n"]:
    """Return |sum of the map - change| / |change|: what the parts lack of the whole.

    ``change`` is f(x), or f(x) - f(baseline). Infinite where it is zero and the sum is not.
    """
    gap = (maps.double().sum(dim=(1, 2)) - change.double()).abs()
    return torch.where(gap == 0, gap, gap / change.double().abs())


def sensitivity_share(
    maps: Float[Tensor, "n h w"], changes: Float[Tensor, "n g"], tolerance: float
) -> Float[Tensor, " n"]:
    """Return the share of influential patches that the map does not call irrelevant.

    The picture is cut into side x side = g patches, by rows; a patch is influential if changing it
    alone moves the score by more than ``tolerance``, and the map calls it irrelevant if it is zero
    all over it. NaN without an influential patch.
    """
    side = round(changes.shape[1] ** 0.5)
    silent = torch.stack(
        [(maps[patch] == 0).flatten(1).all(dim=1) for patch in patches(maps.shape[1:], side)], dim=1
    )
    influential = changes.abs() > tolerance
    return (influential & ~silent).sum(dim=1).double() / influential.sum(dim=1)


def patches(size: tuple[int, ...], side: int) -> list[tuple[slice, slice, slice]]:
    """Return side x side patches of pictures n h w by rows; they cover every pixel once."""
    edges = [[length * k // side for k in range(side + 1)] for length in size[-2:]]
    return [
        (slice(None), slice(edges[0][r], edges[0][r + 1]), slice(edges[1][c], edges[1][c + 1]))
        for r in range(side)
        for c in range(side)
    ]


def gap_and_share(_: Metric, values: Values) -> dict[str, float]:
    """Return the mean gap, and the share of images whose map is complete."""
    if values.values is None:
        raise InputError("completeness has a number per image; these values have none")
    value, undefined = mean_of_defined(values.values)
    complete = float(values.extras["complete"].mean())
    return {"value": value, "complete": complete, "undefined": undefined}


@dataclass(frozen=True)
class ImplementationInvariance(Metric):
    """How much a map changes with the weights of the network while its probabilities do not.

    Attributes:
        normalize: of the maps before they are compared; ``none`` compares them raw.
        strength: how far the class weights are shifted, in their deviations.
        seed: of the shift.
    """

    name: ClassVar[str] = "implementation-invariance"
    normalize: Literal["min-max", "max", "none"] = "max"
    strength: float = 1.0
    seed: int = 0

    def measure(self, case: Case) -> Values:
        """Return the largest difference of each image's maps."""
        model = case.need("model")
        other = gauged(model, case.inputs, strength=self.strength, seed=self.seed)
        maps = case.need("on_model")(other, case.inputs, case.targets)
        scale = None if self.normalize == "none" else self.normalize
        return Values(invariance_gap(case.need("maps"), maps, normalize=scale))


@dataclass(frozen=True)
class Completeness(Metric):
    """How far the sum of a map is from the score that it explains, relative to it.

    Attributes:
        score: what the map should sum to.
        baseline: subtract the score of a picture of zeros (integrated gradients), or nothing
            (CAPE, CALM).
        tolerance: up to which relative gap a map counts as complete.
    """

    name: ClassVar[str] = "completeness"
    score: Score = "probability"
    baseline: Baseline = "none"
    tolerance: float = field(default=1e-3, metadata={"at_least": 0})

    def measure(self, case: Case) -> Values:
        """Return the gap of each image, and whether it is within the tolerance."""
        judge: Judge = case.need("judge")
        whole = case.scores(case.logits(), self.score)
        if self.baseline == "zeros":
            zeros = torch.zeros_like(case.inputs)
            logits = judge.under((case.inputs_key, "zeros"), lambda: zeros)
            whole = whole - case.scores(logits, self.score)
        maps: Tensor = case.need("maps")
        gap = completeness_gap(maps, whole.to(maps.device))
        return Values(gap, extras={"complete": (gap <= self.tolerance).double()})


@dataclass(frozen=True)
class Sensitivity(Metric):
    """Whether patches that move the score when they are blanked have a say in the map.

    Attributes:
        side: patches per side; each costs a forward pass.
        tolerance: which change of the score counts, as a share of the largest.
        score: what changes.
    """

    name: ClassVar[str] = "sensitivity"
    side: int = field(default=7, metadata={"at_least": 1})
    tolerance: float = field(default=0.05, metadata={"at_least": 0})
    score: Score = "logit"

    def measure(self, case: Case) -> Values:
        """Return the share of each image's influential patches that the map speaks of."""
        judge: Judge = case.need("judge")
        size = (case.saliency.shape[1], case.saliency.shape[2])
        changes = []
        whole = case.scores(case.logits(), self.score)
        for index, patch in enumerate(patches(size, self.side)):
            key = (case.inputs_key, "blanked", self.side, index)
            logits = judge.under(key, partial(_blanked, case.inputs, patch))
            changes.append(whole - case.scores(logits, self.score))
        table = torch.stack(changes, dim=1).to(case.saliency.device)
        relative = table / table.abs().amax(dim=1, keepdim=True)
        maps = saliency_of(case.need("maps")[:, None], size, None)[:, 0]
        return Values(sensitivity_share(maps, relative, self.tolerance))


def _blanked(inputs: Tensor, patch: tuple[slice, slice, slice]) -> Tensor:
    changed = inputs.clone()
    changed[patch[0], :, patch[1], patch[2]] = 0
    return changed
