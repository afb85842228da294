"""Methods against each other: paired tests, rankings, and those that a control equals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from regionwise.benchmark.answers import Answer, numbers_of
from regionwise.benchmark.reading import Scored, Table
from regionwise.benchmark.statistics import holm, paired_test, snapped
from regionwise.metrics.borda import borda_count
from regionwise.metrics.card import Direction

CONTROLS: Final = ("centre", "random")
SURE: Final = 0.05
"""A corrected p-value below this counts as a difference."""


@dataclass(frozen=True)
class PairTest:
    """Two methods on the images that both have; ``p_holm`` is corrected within its table."""

    table: Table
    target: str
    first: str
    second: str
    images: int
    difference: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Ranking:
    """Borda counts of one model and judge, over all metrics that judge a map.

    ``points`` gives as many for a first rank as there are methods, ``points3`` three, as CAPE does.
    """

    model: str
    judge: str
    metrics: int
    points: dict[str, int]
    points3: dict[str, int]


def tests_of(table: Table, target: str, scored: Sequence[Scored], seed: int) -> list[PairTest]:
    """Return the test of every pair of methods of a table, corrected for their number."""
    numbers = numbers_of(scored)
    found = []
    for first, second in combinations(numbers, 2):
        with np.errstate(invalid="ignore"):  # of two infinite numbers: no difference is known
            differences = numbers[first] - numbers[second]
        known = differences[np.isfinite(differences)]
        if len(known):
            p = paired_test(known, seed=seed)
            found.append((first, second, len(known), float(known.mean()), p))
    corrected = holm([row[-1] for row in found])
    return [PairTest(table, target, *row, p) for row, p in zip(found, corrected, strict=True)]


def no_better(
    answers: Sequence[Answer], scored: Sequence[Scored], seed: int
) -> list[tuple[Answer, str, tuple[str, ...]]]:
    """Return, for each control, the methods that are not shown to be better than it."""
    numbers = numbers_of(scored)
    direction = answers[0].direction
    if direction == "none":
        return []
    sign = -1.0 if direction == "lower" else 1.0
    found: list[tuple[Answer, str, tuple[str, ...]]] = []
    for control in (c for c in CONTROLS if c in numbers):
        others = [name for name in numbers if name.partition(":")[0] not in (*CONTROLS, "edges")]
        with np.errstate(invalid="ignore"):
            gains = [sign * (numbers[name] - numbers[control]) for name in others]
        p = holm([paired_test(gain, seed=seed, side="greater") for gain in gains])
        weak = tuple(name for name, value in zip(others, p, strict=True) if value >= SURE)
        if weak:
            found.append((answers[0], control, weak))
    return found


def rankings_of(answers: Sequence[Answer]) -> list[Ranking]:
    """Count points over metrics for which all methods of the model have a common answer."""
    found = []
    for model in dict.fromkeys(a.table.model for a in answers):
        own = [a for a in answers if a.table.model == model and a.direction != "none"]
        methods = list(dict.fromkeys(a.method for a in own))
        for judge in dict.fromkeys(a.table.judge for a in own if a.table.judge):
            table: dict[str, dict[str, float]] = {}
            directions: dict[str, Direction] = {}
            for a in own:
                if a.table.judge in {"", judge}:
                    name = f"{a.table.metric} {a.target}"
                    table.setdefault(name, {})[a.method] = a.common
                    directions[name] = a.direction
            full = {
                name: snapped(np.array([[row[m]] for m in methods]))[:, 0].tolist()
                for name, row in table.items()
                if len(row) == len(methods)
            }
            if full:
                points = borda_count(full, directions, points=len(methods))
                three = borda_count(full, directions)
                found.append(
                    Ranking(
                        model,
                        judge,
                        len(full),
                        dict(zip(methods, points, strict=True)),
                        dict(zip(methods, three, strict=True)),
                    )
                )
    return found
