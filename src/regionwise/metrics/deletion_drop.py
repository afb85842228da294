"""Drops in deletion: confidence, or logit, lost when what the map shows is removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from regionwise.metrics.altered import Fill, Keep, removed_logits
from regionwise.metrics.average_drop import relative_drop
from regionwise.metrics.case import Case
from regionwise.metrics.judge import Score
from regionwise.metrics.recipe import Metric, Values


@dataclass(frozen=True)
class AverageDropInDeletion(Metric):
    """Average drop in deletion: max(0, Y - D) / Y, D the score of (1 - E) x.

    Attributes:
        score: what is read of the judge's answer.
        keep: the map as it is, or the values of its higher half: what is removed.
        fill: what removed pixels become.
        clamped: a gain counts as no drop.

    Reference: Jung and Oh 2021; Chowdhury et al. 2024 (CAPE), Sec. 4.3.
    Choice: clamped, as CAPE prints it; ``clamped=false`` as two ports of the former do.
    """

    name: ClassVar[str] = "average-drop-in-deletion"
    score: Score = "probability"
    keep: Keep = "soft"
    fill: Fill = "mean"
    clamped: bool = True

    def measure(self, case: Case) -> Values:
        """Score each image as it is, and without what the map shows."""
        before = case.scores(case.logits(), self.score)
        after = case.scores(removed_logits(case, self.keep, self.fill), self.score)
        drop = relative_drop(before, after, clamped=self.clamped)
        return Values(drop, extras={"before": before, "after": after})


@dataclass(frozen=True)
class DropInLogit(Metric):
    """Average drop in logit: y(x) - y((1 - E) x), in units of the logit.

    Attributes:
        of: the ground-truth class, or the class explained.
        keep: the map as it is, or the values of its higher half: what is removed.
        fill: what removed pixels become.

    Reference: Mitra et al. 2024 (ScoreCAM++), Table 7.
    Choice: the paper has words only; read as neither divided nor clamped, of the correct class.
    """

    name: ClassVar[str] = "drop-in-logit"
    of: Literal["label", "target"] = "label"
    keep: Keep = "soft"
    fill: Fill = "mean"

    def measure(self, case: Case) -> Values:
        """Score each image as it is, and without what the map shows."""
        classes = case.need("labels") if self.of == "label" else case.targets
        before = case.scores(case.logits(), "logit", classes)
        after = case.scores(removed_logits(case, self.keep, self.fill), "logit", classes)
        return Values(before - after, extras={"before": before, "after": after})
