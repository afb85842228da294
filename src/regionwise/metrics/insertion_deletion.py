"""Insertion and deletion (RISE): the score as pixels come or go in the order of the map."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import SettingError
from regionwise.metrics.altered import Fill, fill_of
from regionwise.metrics.case import Case
from regionwise.metrics.judge import Score
from regionwise.metrics.ranking import Ties, ranks_of
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.removal import logits_of_each, removed_under, replaced

Resolution: TypeAlias = Literal["input", "map"]


def step_counts(total: int, *, steps: int = 0, pixels: int = 0) -> tuple[int, ...]:
    """Return how many of ``total`` pixels are removed at each step, from 0 to all of them.

    Either ``steps`` equal shares, rounded down, or ``pixels`` at a time and at last the rest.
    """
    if pixels:
        return (*range(0, total, pixels), total)
    return tuple(sorted({k * total // steps for k in range(steps + 1)}))


def area_under(curves: Float[Tensor, "n s"], levels: Float[Tensor, " s"]) -> Float[Tensor, " n"]:
    """Return the area under each curve by the trapezoidal rule over its true levels, 0 to 1.

    A constant curve has its constant as area.
    """
    return torch.trapezoid(curves, levels.to(curves), dim=1)


def removal_curves(
    case: Case, metric: RemovalCurve
) -> tuple[Float[Tensor, "n s"], tuple[float, ...]]:
    """Return the scores of the targets as pixels come or go, and the shares moved."""
    maps = case.saliency if metric.resolution == "input" else case.need("maps")
    ranks = ranks_of(maps, metric.ties)
    total = ranks[0].numel()
    counts = step_counts(total, steps=metric.steps, pixels=metric.pixels)
    instead = fill_of(case, metric.fill)
    size = (case.inputs.shape[2], case.inputs.shape[3])

    def make(index: int) -> Tensor:
        image, other = case.inputs[index], instead[index]
        removed = removed_under(ranks[index], counts, size)
        return replaced(other, image, removed) if metric.insert else replaced(image, other, removed)

    how = (metric.insert, metric.fill, metric.ties, metric.resolution, counts)
    maps_key = case.saliency_key if metric.resolution == "input" else case.maps_key
    keys = [(case.inputs_key, maps_key, "curve", how, index) for index in range(len(case))]
    judge = case.need("judge")
    logits = logits_of_each(judge, list(keys), make)
    classes = case.targets.unsqueeze(1).expand(-1, len(counts))
    return judge.scores(logits, classes, metric.score), tuple(c / total for c in counts)


@dataclass(frozen=True)
class RemovalCurve(Metric, ABC):
    """The area under the score as pixels go or come, the most salient first.

    Attributes:
        score: what is read of the judge's answer.
        fill: what pixels become as they go, or are before they come.
        steps: how many equal shares of the pixels; 224 x 224 pixels in RISE's are rows of 224.
        pixels: how many pixels at a time instead; 0 leaves it to ``steps``.
        ties: which of equal values is first.
        resolution: pixels are ordered by the saliency at the size of the inputs, or cell by cell
            by the raw map.
    """

    insert: ClassVar[bool]
    score: Score = "probability"
    fill: Fill = "mean"
    steps: int = field(default=100, metadata={"at_least": 1})
    pixels: int = field(default=0, metadata={"at_least": 0})
    ties: Ties = "first"
    resolution: Resolution = "input"

    def __post_init__(self) -> None:
        """Refuse two ways of stepping at once."""
        super().__post_init__()
        check_stepping(self.name, self.steps, self.pixels)

    @final
    def measure(self, case: Case) -> Values:
        """Move pixels, the most salient first."""
        curves, levels = removal_curves(case, self)
        return Values(area_under(curves, torch.tensor(levels)), {"score": curves}, levels)


@dataclass(frozen=True)
class Deletion(RemovalCurve):
    """Deletion: the most salient pixels go first; they become the mean colour."""

    name: ClassVar[str] = "deletion"
    insert: ClassVar[bool] = False


@dataclass(frozen=True)
class Insertion(RemovalCurve):
    """Insertion: the most salient pixels come first, into RISE's blur."""

    name: ClassVar[str] = "insertion"
    insert: ClassVar[bool] = True
    fill: Fill = "blur-rise"


def check_stepping(name: str, steps: int, pixels: int) -> None:
    """Refuse a number of steps beside a number of pixels per step.

    Raises:
        SettingError: both were given.
    """
    if pixels and steps != 100:
        raise SettingError(f"{name!r} takes steps={steps} or pixels={pixels}, not both")
