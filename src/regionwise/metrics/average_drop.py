"""Average drop (Chattopadhyay et al. 2018): confidence lost when only the map's part is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regionwise.errors import InputError
from regionwise.metrics.altered import Fill, Keep, kept_logits
from regionwise.metrics.case import Case
from regionwise.metrics.judge import Score
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean_of_defined

Denominator: TypeAlias = Literal["score", "epsilon", "none"]
Blank: TypeAlias = Literal["as-is", "lost", "undefined"]


def relative_drop(
    before: Float[Tensor, " n"],
    after: Float[Tensor, " n"],
    *,
    clamped: bool = True,
    denominator: Denominator = "score",
) -> Float[Tensor, " n"]:
    """Return how much of a score is lost: max(0, Y - O) / Y.

    Args:
        before: Y, the score of the image, n.
        after: O, the score of the altered image, n.
        clamped: a gain counts as no drop, not as a negative one.
        denominator: ``score`` is Y; ``epsilon`` Y + 1e-7, whatever its sign (torch-cam);
            ``none`` divides by nothing (pytorch-grad-cam).

    Reference: Chattopadhyay et al. 2018, Sec. 4.1.1.
    Choice: where Y <= 0, as a logit may be, no share of it can be lost: NaN.
    """
    lost = before - after
    if clamped:
        lost = lost.clamp_min(0)
    if denominator == "none":
        return lost
    if denominator == "epsilon":
        return lost / (before + 1e-7)
    return torch.where(before > 0, lost / before, torch.nan)


def with_blank(
    after: Float[Tensor, " n"], blank: Bool[Tensor, " n"], rule: Blank
) -> Float[Tensor, " n"]:
    """Set the scores that a blank map gives: as they are, 0 (``lost``), or NaN (``undefined``)."""
    if rule == "as-is":
        return after
    return after.masked_fill(blank.to(after.device), 0.0 if rule == "lost" else torch.nan)


@dataclass(frozen=True)
class AverageDrop(Metric):
    """Average drop, a share in [0, 1]; papers print percent.

    Attributes:
        score: what is read of the judge's answer.
        keep: the map as it is, or the values of its higher half (Score-CAM).
        fill: what removed pixels become.
        denominator: see :func:`relative_drop`.
        blank: what a map that says nothing scores.
        averaged: over all images, or over those with a drop.
    """

    name: ClassVar[str] = "average-drop"
    score: Score = "probability"
    keep: Keep = "soft"
    fill: Fill = "mean"
    denominator: Denominator = "score"
    blank: Blank = "as-is"
    averaged: Literal["all", "dropped"] = "all"

    def measure(self, case: Case) -> Values:
        """Score each image as it is, and with only what the map keeps."""
        before = case.scores(case.logits(), self.score)
        after = case.scores(kept_logits(case, self.keep, self.fill), self.score)
        after = with_blank(after, case.blank, self.blank)
        drop = relative_drop(before, after, denominator=self.denominator)
        return Values(drop, extras={"before": before, "after": after})


def mean_drop(metric: Metric, values: Values) -> dict[str, float]:
    """Return the mean over all images, or over those with a drop if the metric says so.

    Raises:
        InputError: the values are of another metric.
    """
    if not isinstance(metric, AverageDrop) or values.values is None:
        raise InputError(f"these are no values of 'average-drop', but of {metric.name!r}")
    drops = values.values
    _, undefined = mean_of_defined(drops)
    if metric.averaged == "dropped":
        drops = drops[drops > 0]
    return {"value": mean_of_defined(drops)[0], "undefined": undefined}
