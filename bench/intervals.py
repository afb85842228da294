"""From turns to a number with its interval: Hodges-Lehmann and Wilcoxon's signed ranks.

The turns of two contenders are paired in the order in which they ran. The estimate is the median
of all means of two log-ratios, its interval that of the Wilcoxon signed-rank test, exact for any
symmetric noise: a machine that pauses now and then moves neither, where it would move a mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

LEVEL: Final = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; ``sure`` says whether there were enough turns for one."""

    value: float
    low: float
    high: float
    sure: bool = True


def ratio(above: Sequence[float], below: Sequence[float]) -> Estimate:
    """Return above / below of paired turns.

    Raises:
        ValueError: there is no turn, or one has no partner.
    """
    if len(above) != len(below) or not above:
        raise ValueError(f"{len(above)} turns cannot be paired with {len(below)}")
    logs = located(np.log(np.asarray(above) / np.asarray(below)).tolist())
    return Estimate(math.exp(logs.value), math.exp(logs.low), math.exp(logs.high), logs.sure)


def located(values: Sequence[float]) -> Estimate:
    """Return the middle of some numbers with its interval; with fewer than six, their range."""
    found = np.asarray(values, dtype=float)
    first, second = np.triu_indices(len(found))
    means = np.sort((found[first] + found[second]) / 2)
    cut = critical(len(found))
    place = max(cut, 0)
    return Estimate(
        float(np.median(means)), float(means[place]), float(means[-1 - place]), sure=cut >= 0
    )


@cache
def critical(count: int, level: float = LEVEL) -> int:
    """Return the largest rank sum that is as rare as the level asks, on both sides; -1 for none.

    Rank sums of ``count`` signs thrown like coins are counted, not approximated.
    """
    ways = np.zeros(count * (count + 1) // 2 + 1)
    ways[0] = 1
    for rank in range(1, count + 1):
        ways[rank:] = ways[rank:] + ways[: len(ways) - rank].copy()
    tail = np.cumsum(ways) / 2.0**count
    return int(np.searchsorted(tail, (1 - level) / 2, side="right")) - 1
