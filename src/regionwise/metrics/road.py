"""ROAD (Rong et al. 2022): remove pixels without leaving a trace of which were removed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regionwise.attribution.noise import generator_of, normal, stream
from regionwise.errors import InputError
from regionwise.metrics.case import Case
from regionwise.metrics.imputation import linear_imputation
from regionwise.metrics.judge import Judge, Score
from regionwise.metrics.ranking import ranks_of
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean
from regionwise.metrics.removal import logits_of_each, removed_under, shares_of

TIE_BREAK = 1e-4
"""Deviation of the fixed Gaussian map that decides between equal values, as in ROAD's code."""


def noisy_linear(
    image: Float[Tensor, "c h w"],
    removed: Bool[Tensor, "s h w"],
    *,
    noise: float,
    seed: int,
) -> Float[Tensor, "s c h w"]:
    """Impute removed pixels linearly, and add Gaussian noise of deviation ``noise`` to them.

    Noise depends on picture, seed and mask's place; it is in the units of the inputs.
    """
    removed = removed.to(image.device)
    images = image.expand(len(removed), -1, -1, -1)
    filled = linear_imputation(images, removed, tolerance=1e-6)
    drawn = normal(filled.shape, generator_of(image, seed)).to(filled)
    return torch.where(removed.unsqueeze(1), filled + noise * drawn, filled)


def road_gap(least: Float[Tensor, "n s"], most: Float[Tensor, "n s"]) -> Float[Tensor, " n"]:
    """Return the mean over shares of (LeRF - MoRF) / 2: above 0 if the map knows what matters.

    Args:
        least: scores without the least salient pixels, n s.
        most: scores without the most salient pixels, n s.

    Reference: pytorch-grad-cam (``ROADCombined``); Rong et al. 2022 print the two curves.
    """
    return ((least - most) / 2).mean(dim=1)


@dataclass(frozen=True)
class ROAD(Metric):
    """ROAD, by both orders: the most relevant pixels first (MoRF), and the least (LeRF).

    Attributes:
        score: what is read of the judge's answer.
        percents: of pixels removed, ``"10/20/30"``; rounded down to whole pixels. The authors'
            code counts LeRF by the share that is kept.
        noise: deviation, in the units of the inputs.
        ties: ``noise`` adds a fixed Gaussian map of deviation 1e-4 to saliency, as the authors'
            code does; ``first`` takes equal values in reading order.
        seed: of the noise, and of the tie break.
    """

    name: ClassVar[str] = "road"
    score: Score = "probability"
    percents: str = "10/20/30/40/50/60/70/80/90"
    noise: float = field(default=0.01, metadata={"at_least": 0})
    ties: Literal["noise", "first"] = "noise"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse shares that are none."""
        super().__post_init__()
        shares_of(self.name, self.percents)

    def measure(self, case: Case) -> Values:
        """Remove pixels in both orders; where labels are known, say what is classified rightly."""
        judge: Judge = case.need("judge")
        shares = shares_of(self.name, self.percents)
        classes = case.targets.unsqueeze(1).expand(-1, len(shares))
        curves: dict[str, Tensor] = {}
        for order in ("morf", "lerf"):
            logits = self._logits(case, order)
            curves[order] = judge.scores(logits, classes, self.score)
            if case.labels is not None:
                right = logits.argmax(dim=2) == case.labels.to(logits.device).unsqueeze(1)
                curves[f"hits-{order}"] = right.double()
        return Values(road_gap(curves["lerf"], curves["morf"]), curves, shares)

    def _logits(self, case: Case, order: str) -> Float[Tensor, "n s y"]:
        maps = case.saliency.double()
        if self.ties == "noise":
            drawn = normal(maps.shape[1:], stream(self.seed)).to(maps.device)
            maps = maps + TIE_BREAK * drawn
        ranks = ranks_of(maps if order == "morf" else -maps)
        counts = tuple(int(s * ranks[0].numel()) for s in shares_of(self.name, self.percents))
        size = (ranks.shape[1], ranks.shape[2])

        def make(index: int) -> Tensor:
            removed = removed_under(ranks[index], counts, size)
            return noisy_linear(case.inputs[index], removed, noise=self.noise, seed=self.seed)

        how = (order, self.ties, self.noise, self.seed, counts)
        keys = [(case.inputs_key, case.saliency_key, "road", how, i) for i in range(len(case))]
        return logits_of_each(case.need("judge"), list(keys), make)


def reduced(metric: Metric, values: Values) -> dict[str, float]:
    """Return the mean gap, and the mean of each curve at each share, ``morf@10``, ``lerf@10``, ...

    Raises:
        InputError: the values are of another metric.
    """
    if not {"morf", "lerf"} <= set(values.curves):
        raise InputError(f"these are no values of 'road', but of {metric.name!r}")
    found = mean(metric, values)
    for name, curve in values.curves.items():
        for place, level in enumerate(values.levels):
            found[f"{name}@{100 * level:g}"] = float(curve[:, place].mean())
    return found
