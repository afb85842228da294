"""The average precision of pooled pixels for many draws of pictures at once.

Pixels come counted by value, so a draw is a weighted sum of counts: what takes seconds by pooling
anew takes one matrix product, in single precision: sums of whole numbers, exact up to 16 million.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from regionwise.benchmark.statistics import Numbers
from regionwise.metrics.pixel_metrics import COUNTS, CueLocalisation, PxAP, bins_of
from regionwise.metrics.recipe import Metric, Values

_AT_ONCE = 50


def pooled_precisions(
    metric: Metric, values: Values, weights: Int[np.ndarray, "draws n"]
) -> Numbers | None:
    """Return the metric's answer for each draw; ``None`` where only the metric itself knows it.

    Args:
        metric: PxAP, or cue localisation, whose pairs of classes are pooled each and averaged.
        values: pixels of each unit, counted by value.
        weights: how often each unit is drawn.
    """
    if not isinstance(metric, (PxAP, CueLocalisation)) or bins_of(metric) != "exact":
        return None
    tables = values.extras[COUNTS].double().numpy()
    if isinstance(metric, PxAP):
        return _precisions(tables, weights)
    pairs = [tuple(pair) for pair in values.extras["pair"].tolist()]
    found = []
    for pair in dict.fromkeys(pairs):
        rows = np.array([other == pair for other in pairs])
        found.append(_precisions(tables[rows], weights[:, rows]))
    return _mean_of_known(np.stack(found))


def _precisions(tables: Float[np.ndarray, "n 3 v"], weights: Int[np.ndarray, "draws n"]) -> Numbers:
    """Return AP of the pooled pixels; NaN where no pixel of a region is drawn."""
    values, places = np.unique(tables[:, 0], return_inverse=True)
    places = places.reshape(len(tables), -1)
    counts = np.zeros((2, len(tables), len(values)), dtype=np.float32)
    for row, (table, place) in enumerate(zip(tables, places, strict=True)):
        np.add.at(counts[0, row], place, table[1])
        np.add.at(counts[1, row], place, table[2])
    falling = np.ascontiguousarray(counts[:, :, ::-1])  # thresholds from the highest down
    parts = [
        _of_draws(weights[start : start + _AT_ONCE].astype(np.float32), falling)
        for start in range(0, len(weights), _AT_ONCE)
    ]
    return np.concatenate(parts)


def _of_draws(weights: Float[np.ndarray, "draws n"], counts: Float[np.ndarray, "2 n v"]) -> Numbers:
    inside, outside = ((weights @ part).astype(np.float64) for part in counts)
    reached = inside.cumsum(axis=1)
    every = reached + outside.cumsum(axis=1)
    precision = np.divide(reached, every, out=np.zeros_like(every), where=every > 0)
    total = reached[:, -1]
    summed = (precision * inside).sum(axis=1)
    found: Numbers = np.divide(summed, total, out=np.full(len(total), np.nan), where=total > 0)
    return found


def _mean_of_known(table: NDArray[np.float64]) -> Numbers:
    """Return the mean of each column over what is known; NaN where nothing is."""
    known = ~np.isnan(table)
    sizes = known.sum(axis=0)
    sums = np.where(known, table, 0.0).sum(axis=0)
    found: Numbers = np.divide(sums, sizes, out=np.full(table.shape[1], np.nan), where=sizes > 0)
    return found
