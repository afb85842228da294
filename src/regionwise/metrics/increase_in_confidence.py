"""Increase in confidence (Chattopadhyay et al. 2018): how often less of the image says more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.metrics.altered import Fill, Keep, kept_logits
from regionwise.metrics.average_drop import Blank, with_blank
from regionwise.metrics.case import Case
from regionwise.metrics.judge import Score
from regionwise.metrics.recipe import Metric, Values


def increased(
    before: Float[Tensor, " n"], after: Float[Tensor, " n"], *, strict: bool = True
) -> Float[Tensor, " n"]:
    """Return 1 where Y < O, 0 elsewhere, NaN where either is; not strict: 1 where Y <= O.

    Args:
        before: Y, the score of the image, n.
        after: O, the score of the altered image, n.
        strict: a tie is no increase.

    Reference: Chattopadhyay et al. 2018, Sec. 4.1.2.
    """
    gained = (before < after if strict else before <= after).to(before.dtype)
    return gained.masked_fill((before + after).isnan(), torch.nan)


@dataclass(frozen=True)
class IncreaseInConfidence(Metric):
    """Increase in confidence: the share of images whose score rises.

    Attributes:
        score: what is read of the judge's answer.
        keep: the map as it is, or the values of its higher half.
        fill: what removed pixels become.
        strict: a tie is no increase; ScoreCAM++'s code counts it as one.
        blank: what a map that says nothing scores.
    """

    name: ClassVar[str] = "increase-in-confidence"
    score: Score = "probability"
    keep: Keep = "soft"
    fill: Fill = "mean"
    strict: bool = True
    blank: Blank = "as-is"

    def measure(self, case: Case) -> Values:
        """Score each image as it is, and with only what the map keeps."""
        before = case.scores(case.logits(), self.score)
        after = case.scores(kept_logits(case, self.keep, self.fill), self.score)
        after = with_blank(after, case.blank, self.blank)
        gained = increased(before, after, strict=self.strict)
        return Values(gained, extras={"before": before, "after": after})
