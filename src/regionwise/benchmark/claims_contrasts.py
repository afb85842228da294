"""A difference with its interval, and the test of whether it lies on one side of a number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from regionwise.benchmark.claims_samples import (
    Sample,
    answers_under,
    by_picture,
    means_under,
    pictures_of,
    unit_numbers,
    weights_of,
)
from regionwise.benchmark.statistics import Numbers, bootstrap_mean, paired_test
from regionwise.metrics.borda import borda_count
from regionwise.metrics.card import Direction

FLIPS = 19_999
"""Enough that 150 tests can be corrected by Holm and one still be significant."""


@dataclass(frozen=True, eq=False)
class Contrast:
    """A difference of two sides, or a number, over pictures.

    Attributes:
        first, second: the answers of both sides; the second NaN where there is one only.
        value: their difference.
        low, high: its 95 % bootstrap interval.
        images: pictures that it is made of.
        differences: one per picture, where the difference is their mean; else nothing.
        error: the standard error, by bootstrap; used where there is no difference per picture.
        seed: of the test.
    """

    first: float
    second: float
    value: float
    low: float
    high: float
    images: int
    differences: Numbers
    error: float
    seed: int

    def p(self, number: float) -> float:
        """Return the two-sided p-value of the hypothesis that the true difference is ``number``.

        By flipping the signs of the pictures' distances from it; where there are none, by the
        normal distribution with the bootstrap's standard error, but not below the smallest p that
        flipping signs could give.
        """
        if len(self.differences):
            return paired_test(self.differences - number, seed=self.seed, draws=FLIPS)
        least = max(0.5 ** (self.images - 1), 1 / (1 + FLIPS))
        distance = abs(self.value - number)
        if not math.isfinite(distance) or distance == 0:
            return 1.0
        tail = math.erfc(distance / self.error / math.sqrt(2)) if self.error > 0 else 0.0
        return min(1.0, max(tail, least))


def contrasts_of(
    samples: Sequence[Sample], pairs: Sequence[tuple[int, ...]], *, each: bool, seed: int
) -> list[Contrast]:
    """Return the contrasts of aligned samples: of two, by place, or of one with nothing.

    ``each`` takes the units' own numbers, whatever the metric's answer is.
    """
    pictures = pictures_of(samples[0].scored.units)
    numbers = unit_numbers(samples, each=each)
    if numbers is not None:
        own = [by_picture(row, pictures) for row in numbers]
        return [_of_pictures([own[place] for place in pair], seed) for pair in pairs]
    weights = weights_of(pictures, seed=seed)
    answers = [sample.answer for sample in samples]
    again = [answers_under(sample, weights) for sample in samples]
    count = len(set(pictures.tolist()))
    return [_of_draws([answers[k] for k in p], [again[k] for k in p], count, seed) for p in pairs]


def borda_contrast(tables: dict[str, list[Sample]], seed: int) -> Contrast:
    """Return the points of the first method less those of its best rival.

    Args:
        tables: by metric, the samples of all methods, aligned over all metrics.
        seed: of the draws.

    Reference: Chowdhury et al. 2024 (CAPE), Sec. 4.3: three points, two and one.
    """
    some = next(iter(tables.values()))
    pictures = pictures_of(some[0].scored.units)
    weights = weights_of(pictures, seed=seed)
    answers: dict[str, list[float]] = {}
    drawn: dict[str, list[Numbers]] = {}
    for name, samples in tables.items():
        numbers = unit_numbers(samples)
        if numbers is None:
            answers[name] = [sample.answer for sample in samples]
            drawn[name] = [answers_under(sample, weights) for sample in samples]
        else:
            answers[name] = [float(np.nanmean(row)) for row in numbers]
            drawn[name] = [means_under(row, weights) for row in numbers]
    ways = {name: samples[0].metric.card.direction for name, samples in tables.items()}
    met = _points(answers, ways)
    again = [
        _points({name: [float(row[draw]) for row in rows] for name, rows in drawn.items()}, ways)
        for draw in range(len(weights))
    ]
    first = np.array([row[0] for row in again])
    rival = np.array([row[1] for row in again])
    return _of_draws(list(met), [first, rival], len(set(pictures.tolist())), seed)


def _points(table: dict[str, list[float]], ways: dict[str, Direction]) -> tuple[float, float]:
    """Return the points of the first method, and the most of any other."""
    own, *others = borda_count(table, ways)
    return float(own), float(max(others))


def _of_pictures(rows: list[Numbers], seed: int) -> Contrast:
    """Return the contrast of numbers per picture; one row, or two."""
    known = np.isfinite(rows[0]) & np.isfinite(rows[-1])
    kept = [row[known] for row in rows]
    differences = kept[0] - kept[1] if len(kept) > 1 else kept[0]
    means = [float(row.mean()) if len(row) else math.nan for row in kept]
    low, high = bootstrap_mean(differences, seed=seed, draws=2000)
    value = float(differences.mean()) if len(differences) else math.nan
    second = means[1] if len(means) > 1 else math.nan
    return Contrast(means[0], second, value, low, high, len(differences), differences, 0.0, seed)


def _of_draws(answers: list[float], again: list[Numbers], images: int, seed: int) -> Contrast:
    """Return the contrast of answers, by what they are under resampling."""
    drawn = again[0] - again[1] if len(again) > 1 else again[0]
    known = drawn[np.isfinite(drawn)]
    low, high, error = math.nan, math.nan, 0.0
    if len(known) > 1:
        low, high = (float(q) for q in np.quantile(known, [0.025, 0.975]))
        error = float(known.std(ddof=1))
    second = answers[1] if len(answers) > 1 else math.nan
    value = answers[0] - second if len(answers) > 1 else answers[0]
    nothing = np.empty(0)
    return Contrast(answers[0], second, value, low, high, images, nothing, error, seed)
