"""Borda count (CAPE): one ranking of methods from several metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from regionwise.errors import InputError
from regionwise.metrics.card import Direction


def dense_ranks(values: Sequence[float], direction: Direction) -> list[int | None]:
    """Return the rank of each value, 1 for the best; equal values share one, and none is left out.

    NaN has no rank.
    """
    sign = -1 if direction == "higher" else 1
    distinct = sorted({sign * value for value in values if not math.isnan(value)})
    places = {value: place for place, value in enumerate(distinct, start=1)}
    return [places.get(sign * value) for value in values]


def first_ranks(values: Sequence[float], direction: Direction) -> list[int | None]:
    """Return the rank of each value, 1 for the best; equal values share the best of their places.

    NaN has no rank.
    """
    sign = -1 if direction == "higher" else 1
    ordered = [sign * value for value in values if not math.isnan(value)]
    return [
        None if math.isnan(value) else 1 + sum(other < sign * value for other in ordered)
        for value in values
    ]


def borda_count(
    table: Mapping[str, Sequence[float]],
    directions: Mapping[str, Direction],
    *,
    points: int = 3,
    ties: Literal["dense", "first"] = "dense",
) -> list[int]:
    """Return the points of each method: ``points`` for a first rank, one less for the next, ...

    Args:
        table: by metric, the values of all methods, always in the same order.
        directions: by metric, which way is better; a metric without one (``none``) is left out.
        points: for a first rank.
        ties: ``dense``: after equal values the next rank follows; ``first``: as many ranks are
            skipped as values were equal.

    Raises:
        InputError: metrics have values of different numbers of methods, or no direction is known.

    Reference: Chowdhury et al. 2024 (CAPE), Sec. 4.3.
    Choice: the paper does not say what ties do; its Table 1 follows dense ranks.
    """
    lengths = {len(values) for values in table.values()}
    if len(lengths) != 1 or not set(table) <= set(directions):
        raise InputError(
            "a Borda count needs, for each metric, its direction and a value of every method; got"
            f" {sorted(lengths)} values and directions of {sorted(directions)}"
        )
    ranking = dense_ranks if ties == "dense" else first_ranks
    totals = [0] * lengths.pop()
    for metric, values in table.items():
        if directions[metric] == "none":
            continue
        for place, rank in enumerate(ranking(values, directions[metric])):
            totals[place] += 0 if rank is None else max(0, points + 1 - rank)
    return totals
