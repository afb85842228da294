"""One number per method and metric, with its interval, from the values of all images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from regionwise.benchmark.reading import Scored, Table, picked
from regionwise.benchmark.statistics import (
    Numbers,
    bootstrap_any,
    bootstrap_mean,
    snapped,
    win_rates,
)
from regionwise.metrics.card import Direction
from regionwise.metrics.catalog import metrics as known_metrics
from regionwise.metrics.pixel_metrics import COUNTS
from regionwise.metrics.recipe import Metric, Values
from regionwise.registry import named


@dataclass(frozen=True)
class Answer:
    """One number of the benchmark.

    ``direction`` says which way a map is better; none where the metric is not about maps.

    ``common`` is the same on the images that all methods of its table have; ``win_rate`` how often
    the method is better than another; ``more`` holds what else the metric's reducer says;
    ``seeds`` is over how many networks, trained alike, it is a mean: ``table.model`` is their name.
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
    seeds: int = 1


def answers_of(table: Table, target: str, scored: Sequence[Scored], seed: int) -> list[Answer]:
    """Return the answer of each method of a table."""
    metric: Metric = known_metrics.parse(table.metric)
    shared = shared_units(scored)
    direction = direction_of(metric)
    rates = win_rates(numbers_of(scored), direction)
    common = on_common_images(metric, scored, shared)
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
                direction=direction,
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


def direction_of(metric: Metric) -> Direction:
    """Return which way a map is better by a metric; none if it is not about maps."""
    return metric.card.direction if metric.card.about_map else "none"


def numbers_of(scored: Sequence[Scored]) -> dict[str, NDArray[np.float64]]:
    """Return the numbers of each method over the union of all units, NaN where it has none.

    Those of an image that differ by rounding only are made equal.
    """
    units = sorted({unit for one in scored for unit in one.units})
    places = {unit: place for place, unit in enumerate(units)}
    named_columns: dict[str, Numbers] = {}
    for one in scored:
        if one.values.values is not None:
            column = np.full(len(units), np.nan)
            column[[places[unit] for unit in one.units]] = one.values.values.double().numpy()
            named_columns[one.method] = column
    if not named_columns:
        return {}
    table = snapped(np.stack(list(named_columns.values())))
    return dict(zip(named_columns, table, strict=True))


def shared_units(scored: Sequence[Scored]) -> list[tuple[str, int]]:
    """Return the units that all methods have, in order."""
    sets = [set(one.units) for one in scored]
    return [unit for unit in scored[0].units if all(unit in units for units in sets)]


def on_common_images(
    metric: Metric, scored: Sequence[Scored], shared: list[tuple[str, int]]
) -> dict[str, float]:
    """Return the answer of every method on the images that all have."""
    if not shared:
        return dict.fromkeys((one.method for one in scored), float("nan"))
    values = {one.method: one.on(shared) for one in scored}
    if metric.card.across:
        found: dict[str, float] = named(metric.card.across)(metric, _without_rounding(values))
        return found
    return {name: metric.reduce([own])["value"] for name, own in values.items()}


def _without_rounding(values: dict[str, Values]) -> dict[str, Values]:
    """Make numbers of an image that differ by rounding only equal: they shall tie."""
    given = [one.values for one in values.values() if one.values is not None]
    if len(given) < len(values):
        return values
    table = torch.from_numpy(snapped(torch.stack(given).double().numpy()))
    pairs = zip(values.items(), table, strict=True)
    return {name: replace(one, values=row) for (name, one), row in pairs}


def _interval(metric: Metric, values: Values, value: float, seed: int) -> tuple[float, float]:
    """Return the interval of an answer; none for pooled pixels, which would take too long."""
    numbers = np.empty(0) if values.values is None else values.values.double().numpy()
    known = numbers[~np.isnan(numbers)]
    if len(known) and np.isclose(known.mean(), value, rtol=1e-12, atol=0):
        return bootstrap_mean(known, seed=seed)
    if COUNTS in values.extras:
        return float("nan"), float("nan")

    def again(places: NDArray[np.int64]) -> float:
        return metric.reduce([picked(values, places)])["value"]

    return bootstrap_any(len(values), again, seed=seed)
