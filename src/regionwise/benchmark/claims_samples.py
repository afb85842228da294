"""The numbers of both sides of a claim, on the same pictures, and what they are under resampling.

Pictures are drawn anew with replacement, the same for all sides; what belongs to a picture, such as
its other classes, is drawn with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from regionwise.benchmark.claims_precision import pooled_precisions
from regionwise.benchmark.reading import Scored, picked
from regionwise.benchmark.statistics import Numbers, snapped
from regionwise.errors import RegionwiseError
from regionwise.metrics.pixel_metrics import COUNTS
from regionwise.metrics.recipe import Metric, Values
from regionwise.registry import named

DRAWS: Final = 1000
Weights = NDArray[np.int64]
Unit = tuple[str, int]


@dataclass(frozen=True, eq=False)
class Sample:
    """What a metric says of one method; its units are pictures, or pictures against a class."""

    metric: Metric
    scored: Scored

    @property
    def answer(self) -> float:
        """The metric's answer on these units."""
        return float(self.metric.reduce([self.scored.values])["value"])

    @property
    def numbers(self) -> Numbers:
        """The number of each unit; nothing where one unit alone has none."""
        values = self.scored.values.values
        return np.empty(0) if values is None else values.double().numpy()

    @property
    def is_mean(self) -> bool:
        """Whether the answer is the mean of the units' numbers."""
        known = self.numbers[~np.isnan(self.numbers)]
        return bool(len(known)) and bool(
            np.isclose(known.mean(), self.answer, rtol=1e-9, atol=1e-12)
        )

    def on(self, units: Sequence[Unit]) -> Sample:
        """Return the sample of these units, in their order."""
        return Sample(self.metric, Scored(self.scored.method, tuple(units), self.scored.on(units)))


def aligned(samples: Sequence[Sample]) -> list[Sample]:
    """Return all samples on the units that all of them have."""
    sets = [set(sample.scored.units) for sample in samples]
    shared = [unit for unit in samples[0].scored.units if all(unit in units for units in sets)]
    return [sample.on(shared) for sample in samples]


def pictures_of(units: Iterable[Unit]) -> NDArray[np.int64]:
    """Return the number of the picture of each unit, counted from 0."""
    names = [image for image, _ in units]
    places = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return np.array([places[name] for name in names], dtype=np.int64)


def by_picture(numbers: Numbers, pictures: NDArray[np.int64]) -> Numbers:
    """Return the mean of each picture's units; NaN where none has a number."""
    known = ~np.isnan(numbers)
    count = int(pictures.max()) + 1 if len(pictures) else 0
    sums = np.bincount(pictures[known], numbers[known], minlength=count)
    sizes = np.bincount(pictures[known], minlength=count)
    found: Numbers = np.divide(sums, sizes, out=np.full(count, np.nan), where=sizes > 0)
    return found


def unit_numbers(samples: Sequence[Sample], *, each: bool = False) -> list[Numbers] | None:
    """Return numbers of units whose mean is the answer; ``None`` where there are none.

    ``each``: the units' own numbers, whatever the answer is. Numbers that differ by rounding only
    are made equal. A metric that compares methods, such as win, compares these.
    """
    across = samples[0].metric.card.across
    if across:
        return _shares(samples, across)
    rows = [sample.numbers for sample in samples]
    if not all(
        len(row) == len(sample.scored.units) for row, sample in zip(rows, samples, strict=True)
    ):
        return None
    if not each and not all(sample.is_mean for sample in samples):
        return None
    return list(snapped(np.stack(rows)))


def weights_of(pictures: NDArray[np.int64], *, seed: int, draws: int = DRAWS) -> Weights:
    """Return how often each unit is drawn, draws x units: as often as its picture."""
    count = int(pictures.max()) + 1
    rng = np.random.default_rng([seed, 4])
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=draws)
    return np.asarray(drawn[:, pictures], dtype=np.int64)


def means_under(numbers: Numbers, weights: Weights) -> Numbers:
    """Return the mean of the units that are drawn, for each draw; NaN values are left out."""
    known = ~np.isnan(numbers)
    sizes = weights[:, known].sum(axis=1)
    sums = weights[:, known] @ numbers[known]
    found: Numbers = np.divide(sums, sizes, out=np.full(len(weights), np.nan), where=sizes > 0)
    return found


def answers_under(sample: Sample, weights: Weights) -> Numbers:
    """Return the metric's answer for each draw."""
    values = sample.scored.values
    if COUNTS in values.extras:
        found = pooled_precisions(sample.metric, values, weights)
        if found is not None:
            return found
    places = np.arange(len(sample.scored.units))
    return np.array([_again(sample, np.repeat(places, row)) for row in weights])


def _again(sample: Sample, places: NDArray[np.int64]) -> float:
    try:
        return float(sample.metric.reduce([picked(sample.scored.values, places)])["value"])
    except RegionwiseError:  # of these units alone nothing can be said
        return float("nan")


def _shares(samples: Sequence[Sample], across: str) -> list[Numbers]:
    """Return, for each method, its share of each unit."""
    table = snapped(np.stack([sample.numbers for sample in samples]))
    finish = named(across)
    columns = []
    for column in table.T:
        alone = {str(row): Values(torch.tensor([value])) for row, value in enumerate(column)}
        columns.append(list(finish(samples[0].metric, alone).values()))
    return list(np.array(columns, dtype=np.float64).T)
