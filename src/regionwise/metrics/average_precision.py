"""Pixel average precision: how well a map ranks the pixels of a region above the others.

AP = sum_i (R_i - R_{i-1}) P_i over the thresholds from the highest down, without interpolation;
P and R are precision and recall of the pixels at or above a threshold. Pixels of equal value enter
together: a tie is one threshold.

Reference: Choe et al. 2020 (PxAP); Kim et al. 2021 (CALM), section 5.2 (mPxAP).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regionwise.errors import InputError

Bins = Literal["exact", "even", "log"]

IGNORE = 255
"""The label of pixels that count neither way."""


@dataclass(frozen=True, eq=False)
class PixelCounts:
    """How many pixels of a region, and of the rest, have each value; what AP is made of.

    ``values`` ascend without repetition, (v,); ``positives`` and ``negatives`` are counts, (v,).
    """

    values: NDArray[np.float64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]

    @property
    def prevalence(self) -> float:
        """Share of positive pixels: the AP of a constant map. NaN without pixels."""
        total = int(self.positives.sum() + self.negatives.sum())
        return float(self.positives.sum() / total) if total else float("nan")


def pixel_counts(scores: NDArray[np.floating], labels: NDArray[np.integer]) -> PixelCounts:
    """Count pixels by value. ``labels`` are 1 in the region, 0 outside, 255 where ignored.

    Raises:
        InputError: shapes differ, another label is met, or a counted score is not finite.
    """
    if scores.shape != labels.shape:
        raise InputError(f"scores {scores.shape} and labels {labels.shape} are of different shape")
    counted = labels != IGNORE
    values, region = scores[counted].astype(np.float64), labels[counted]
    if not np.isin(region, (0, 1)).all():
        raise InputError(f"labels are 0, 1 or {IGNORE}, not {sorted(set(region.tolist()))[:5]}")
    if not np.isfinite(values).all():
        raise InputError("a score is not finite; make blank maps zero and flag them")
    distinct, which = np.unique(values, return_inverse=True)
    inside = np.bincount(which[region == 1], minlength=len(distinct))
    outside = np.bincount(which[region == 0], minlength=len(distinct))
    return PixelCounts(distinct, inside, outside)


def pooled(counts: Iterable[PixelCounts]) -> PixelCounts:
    """Return the counts of all pixels of several images together."""
    items = list(counts)
    if not items:
        nothing = np.zeros(0, dtype=np.int64)
        return PixelCounts(np.zeros(0), nothing, nothing)
    values, which = np.unique(np.concatenate([c.values for c in items]), return_inverse=True)
    sums = []
    for name in ("positives", "negatives"):
        total = np.zeros(len(values), dtype=np.int64)
        np.add.at(total, which, np.concatenate([getattr(c, name) for c in items]))
        sums.append(total)
    return PixelCounts(values, *sums)


def binned(counts: PixelCounts, edges: Sequence[float] | NDArray[np.float64]) -> PixelCounts:
    """Return the counts by bins: half-open, the last one closed. What lies outside is dropped.

    The value of a bin is its lower edge.
    """
    lower = np.asarray(edges, dtype=np.float64)
    place = np.searchsorted(lower, counts.values, side="right") - 1
    place[counts.values == lower[-1]] = len(lower) - 2
    kept = (place >= 0) & (place < len(lower) - 1)
    sums = []
    for amount in (counts.positives, counts.negatives):
        total = np.zeros(len(lower) - 1, dtype=np.int64)
        np.add.at(total, place[kept], amount[kept])
        sums.append(total)
    return PixelCounts(lower[:-1], *sums)


def average_precision(counts: PixelCounts) -> float:
    """Return AP in 0..1; NaN without a positive pixel.

    Reference: Choe et al. 2020, PxAP.
    """
    inside = counts.positives[::-1].cumsum()
    outside = counts.negatives[::-1].cumsum()
    if not len(inside) or inside[-1] == 0:
        return float("nan")
    reached = inside + outside
    precision = np.divide(inside, reached, out=np.zeros(len(inside)), where=reached > 0)
    recall = inside / inside[-1]
    return float((precision * np.diff(recall, prepend=0.0)).sum())


def even_edges(step: float = 0.001) -> NDArray[np.float64]:
    """Return 0, step, 2 step, ... below 1, then 1, 2, 3, as in wsolevaluation and CALM's code."""
    return np.append(np.arange(0, 1, step), [1.0, 2.0, 3.0])


def log_edges() -> NDArray[np.float64]:
    """Return 10^(-0.007 j), j = 999 ... 0, then 1, 2, 3: CALM's code for its own maps.

    Pixels below 10^-6.993 fall into no bin and vanish, positives and negatives alike.
    """
    return np.append(10.0 ** (-0.007 * np.arange(999, -1, -1)), [1.0, 2.0, 3.0])


def pixel_average_precision(counts: PixelCounts, bins: Bins = "exact") -> float:
    """Return AP in 0..1: exact, or by the histogram of the published code.

    Choice: exact by sorting. ``even`` is wsolevaluation's histogram and CALM's default, ``log``
    CALM's for its own maps; bins merge values, and ``log`` loses the pixels below 10^-6.993.

    Raises:
        InputError: another word.
    """
    if bins == "exact":
        return average_precision(counts)
    if bins not in {"even", "log"}:
        raise InputError(f"bins must be exact, even or log, not {bins!r}")
    return average_precision(binned(counts, even_edges() if bins == "even" else log_edges()))
