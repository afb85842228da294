"""Win: how often a method's map keeps more confidence than those of all others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import InputError
from regionwise.metrics.altered import Fill, Keep, kept_logits
from regionwise.metrics.average_drop import Blank, relative_drop, with_blank
from regionwise.metrics.case import Case
from regionwise.metrics.judge import Score
from regionwise.metrics.recipe import Metric, Values

WinTies: TypeAlias = Literal["split", "first"]


def win_shares(kept: Float[Tensor, "a n"], *, ties: WinTies = "split") -> Float[Tensor, " a"]:
    """Return the share of images that each of ``a`` methods wins; the largest number wins.

    Args:
        kept: what each method's map keeps of the score, a n; NaN never wins.
        ties: an image is split evenly between equal winners, or goes to the first of them.

    Reference: Chattopadhyay et al. 2018, Sec. 4.1.3, for two methods; ScoreCAM++'s code for all.
    Choice: ties are split evenly; ScoreCAM++'s code gives them to the first in its list. An image
    on which no method has a number is won by nobody.
    """
    numbers = kept.double().nan_to_num(nan=-torch.inf)
    winners = (numbers == numbers.amax(dim=0)) & kept.isfinite()
    if ties == "first":
        winners = winners & (winners.cumsum(dim=0) == 1)
    parts = winners.double() / winners.sum(dim=0).clamp_min(1)
    return parts.mean(dim=1)


@dataclass(frozen=True)
class Win(Metric):
    """Win: its value is what decides an image; :func:`across` makes shares of it.

    Attributes:
        score: what is read of the judge's answer.
        keep: the map as it is, or the values of its higher half.
        fill: what removed pixels become.
        by: the score of the altered image, or the drop (clamped, so that gains are ties).
        ties: see :func:`win_shares`.
        blank: what a map that says nothing scores.
    """

    name: ClassVar[str] = "win"
    score: Score = "probability"
    keep: Keep = "soft"
    fill: Fill = "mean"
    by: Literal["score", "drop"] = "score"
    ties: WinTies = "split"
    blank: Blank = "as-is"

    def measure(self, case: Case) -> Values:
        """Score each image with only what the map keeps."""
        after = case.scores(kept_logits(case, self.keep, self.fill), self.score)
        after = with_blank(after, case.blank, self.blank)
        if self.by == "score":
            return Values(after)
        return Values(-relative_drop(case.scores(case.logits(), self.score), after))


def across(metric: Metric, methods: Mapping[str, Values]) -> dict[str, float]:
    """Return the share of images that each method wins, by method.

    Raises:
        InputError: the values are of another metric, or not of the same images.
    """
    rows = [values.values for values in methods.values() if values.values is not None]
    if not isinstance(metric, Win) or len(rows) < len(methods) or len({len(r) for r in rows}) != 1:
        raise InputError("win compares values of 'win' of at least one method on the same images")
    shares = win_shares(torch.stack(rows), ties=metric.ties)
    return dict(zip(methods, shares.tolist(), strict=True))
