"""What the rows of a benchmark say: answers with intervals, tests between methods, rankings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from regionwise.benchmark.ledger import PROTOCOLS
from regionwise.benchmark.reading import Rows, Scored, Table, picked
from regionwise.benchmark.statistics import (
    bootstrap_any,
    bootstrap_mean,
    coinciding,
    holm,
    paired_test,
    win_rates,
)
from regionwise.metrics.borda import borda_count
from regionwise.metrics.card import Direction
from regionwise.metrics.catalog import metrics as known_metrics
from regionwise.metrics.recipe import Metric, Values
from regionwise.registry import named

CONTROLS: Final = ("centre", "random")
SURE: Final = 0.05
"""A corrected p-value below this counts as a difference."""


@dataclass(frozen=True)
class Answer:
    """One number of the benchmark.

    ``common`` is the same on the images that all methods of its table have; ``win_rate`` how often
    the method is better than another; ``more`` holds what else the metric's reducer says.
    """

    table: Table
    target: str
    method: str
    direction: Direction
    images: int
    value: float
    low: float
    high: float
    undefined: float
    common: float
    win_rate: float
    more: dict[str, float] = field(default_factory=dict)


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


@dataclass(frozen=True)
class Summary:
    """All that is said of a benchmark's folder.

    ``coincide`` are, by model, groups of methods whose numbers agree; ``no_better`` are table,
    control and the methods that are not shown to be better than it.
    """

    plan: dict[str, Any]
    done: tuple[int, int]
    answers: tuple[Answer, ...]
    tests: tuple[PairTest, ...]
    rankings: tuple[Ranking, ...]
    coincide: dict[str, list[tuple[str, ...]]]
    no_better: tuple[tuple[Answer, str, tuple[str, ...]], ...]
    cost: dict[tuple[str, str], dict[str, float]]
    errors: tuple[tuple[str, str, str, int], ...]


def summarise(folder: Path) -> Summary:
    """Return what the rows of a folder say, of the chunks that are done.

    Raises:
        DataError: there are none.
    """
    rows = Rows(folder)
    try:
        return _summary(rows, json.loads((folder / PROTOCOLS).read_text(encoding="utf-8")))
    finally:
        rows.close()


def _summary(rows: Rows, protocols: dict[str, Any]) -> Summary:
    seed = int(rows.plan["recipe"]["seed"])
    answers: list[Answer] = []
    tests: list[PairTest] = []
    worse: list[tuple[Answer, str, tuple[str, ...]]] = []
    signatures: dict[str, dict[str, dict[str, NDArray[np.float64]]]] = {}
    for table in _ordered(rows.tables(), rows.plan):
        scored = _ordered_methods(rows.scored(table), rows.plan)
        target = str(protocols[table.protocol]["target"])
        found = _answers(table, target, scored, seed)
        answers += found
        tests += _tests(table, target, scored, seed)
        worse += _no_better(found, scored, seed)
        for name, numbers in _numbers(scored).items():
            of_model = signatures.setdefault(table.model, {}).setdefault(name, {})
            of_model[f"{table.metric} {table.protocol} {table.judge}"] = numbers
    return Summary(
        plan=rows.plan,
        done=(rows.done, rows.planned),
        answers=tuple(answers),
        tests=tuple(tests),
        rankings=tuple(_rankings(answers)),
        coincide={model: coinciding(by_method) for model, by_method in signatures.items()},
        no_better=tuple(worse),
        cost=rows.cost(),
        errors=tuple(rows.errors()),
    )


def _ordered(tables: Sequence[Table], plan: dict[str, Any]) -> list[Table]:
    """Return tables in the order of the recipe's models, judges and metrics."""
    metrics = [name for names in plan["metrics"].values() for name in names]
    models = [used["source"] for used in plan["models"]]
    judges = ["", *plan["recipe"]["judges"]]
    listed = [t for t in tables if t.metric in metrics]
    return sorted(
        listed,
        key=lambda t: (models.index(t.model), metrics.index(t.metric), judges.index(t.judge)),
    )


def _ordered_methods(scored: Sequence[Scored], plan: dict[str, Any]) -> list[Scored]:
    order = [m for used in plan["models"] for names in used["methods"].values() for m in names]
    return sorted(scored, key=lambda one: order.index(one.method))


def _answers(table: Table, target: str, scored: Sequence[Scored], seed: int) -> list[Answer]:
    metric: Metric = known_metrics.parse(table.metric)
    shared = _shared(scored)
    rates = win_rates(_numbers(scored), metric.card.direction)
    common = _common(metric, scored, shared)
    found = []
    for one in scored:
        reduced = metric.reduce([one.values])
        low, high = _interval(metric, one.values, reduced["value"], seed)
        value = reduced.pop("value")
        if metric.card.across:
            value, low, high = common[one.method], float("nan"), float("nan")
        found.append(
            Answer(
                table=table,
                target=target,
                method=one.method,
                direction=metric.card.direction,
                images=len(shared) if metric.card.across else len(one.units),
                value=value,
                low=low,
                high=high,
                undefined=reduced.pop("undefined", 0.0),
                common=common[one.method],
                win_rate=rates.get(one.method, float("nan")),
                more=reduced,
            )
        )
    return found


def _shared(scored: Sequence[Scored]) -> list[tuple[str, int]]:
    """Return the units that all methods have, in order."""
    sets = [set(one.units) for one in scored]
    return [unit for unit in scored[0].units if all(unit in units for units in sets)]


def _common(
    metric: Metric, scored: Sequence[Scored], shared: list[tuple[str, int]]
) -> dict[str, float]:
    """Return the answer of every method on the images that all have."""
    if not shared:
        return dict.fromkeys((one.method for one in scored), float("nan"))
    values = {one.method: one.on(shared) for one in scored}
    if metric.card.across:
        found: dict[str, float] = named(metric.card.across)(metric, values)
        return found
    return {name: metric.reduce([own])["value"] for name, own in values.items()}


def _interval(metric: Metric, values: Values, value: float, seed: int) -> tuple[float, float]:
    """Return the interval of an answer; none for pooled pixels, which would take too long."""
    numbers = None if values.values is None else values.values.double().numpy()
    if numbers is not None and np.isclose(np.nanmean(numbers), value, rtol=1e-12, atol=0):
        return bootstrap_mean(numbers, seed=seed)
    if "scores" in values.extras:
        return float("nan"), float("nan")

    def again(places: NDArray[np.int64]) -> float:
        return metric.reduce([picked(values, places)])["value"]

    return bootstrap_any(len(values), again, seed=seed)


def _numbers(scored: Sequence[Scored]) -> dict[str, NDArray[np.float64]]:
    """Return the numbers of each method over the union of all units, NaN where it has none."""
    units = sorted({unit for one in scored for unit in one.units})
    places = {unit: place for place, unit in enumerate(units)}
    found = {}
    for one in scored:
        if one.values.values is not None:
            column = np.full(len(units), np.nan)
            column[[places[unit] for unit in one.units]] = one.values.values.double().numpy()
            found[one.method] = column
    return found


def _tests(table: Table, target: str, scored: Sequence[Scored], seed: int) -> list[PairTest]:
    numbers = _numbers(scored)
    found = []
    for first, second in combinations(numbers, 2):
        differences = numbers[first] - numbers[second]
        known = differences[~np.isnan(differences)]
        if len(known):
            p = paired_test(known, seed=seed)
            found.append((first, second, len(known), float(known.mean()), p))
    corrected = holm([row[-1] for row in found])
    return [PairTest(table, target, *row, p) for row, p in zip(found, corrected, strict=True)]


def _no_better(
    answers: Sequence[Answer], scored: Sequence[Scored], seed: int
) -> list[tuple[Answer, str, tuple[str, ...]]]:
    """Return, for each control, the methods that are not shown to be better than it."""
    numbers = _numbers(scored)
    direction = answers[0].direction
    if direction == "none":
        return []
    sign = -1.0 if direction == "lower" else 1.0
    found = []
    for control in (c for c in CONTROLS if c in numbers):
        others = [name for name in numbers if name.partition(":")[0] not in (*CONTROLS, "edges")]
        gains = [sign * (numbers[name] - numbers[control]) for name in others]
        p = holm([paired_test(gain, seed=seed, side="greater") for gain in gains])
        weak = tuple(name for name, value in zip(others, p, strict=True) if value >= SURE)
        if weak:
            found.append((answers[0], control, weak))
    return found


def _rankings(answers: Sequence[Answer]) -> list[Ranking]:
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
                name: [row[m] for m in methods]
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
