"""One answer of several networks that were trained alike with other seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from regionwise.benchmark.answers import (
    Answer,
    direction_of,
    numbers_of,
    on_common_images,
    shared_units,
)
from regionwise.benchmark.reading import Scored, Table, picked
from regionwise.benchmark.seeds import Seeds
from regionwise.benchmark.statistics import bootstrap_any_seeds, bootstrap_seeds, win_rates
from regionwise.metrics.catalog import metrics as known_metrics
from regionwise.metrics.pixel_metrics import COUNTS
from regionwise.metrics.recipe import Metric, Values

SPREAD: Final = "sd over seeds"
"""The standard deviation of the networks' own answers, among what else is said."""


def tables_of_seeds(tables: Sequence[Table], group: Seeds) -> list[tuple[Table, list[Table]]]:
    """Return the tables that all networks of a group have, each under the name of the group."""
    by_key: dict[tuple[str, ...], dict[str, Table]] = {}
    for table in tables:
        by_key.setdefault((table.metric, table.protocol, table.judge), {})[table.model] = table
    found = []
    for own in by_key.values():
        if set(group.models) <= set(own):
            members = [own[model] for model in group.models]
            found.append((replace(members[0], model=group.name, model_hash=""), members))
    return found


def answers_over_seeds(
    table: Table, target: str, scored: Sequence[Sequence[Scored]], seed: int
) -> list[Answer]:
    """Return the answer of each method that all networks have; ``scored`` are theirs, by network.

    It is the mean over networks of each one's answer on the images that all of them have. The
    interval draws networks, and images.
    """
    metric: Metric = known_metrics.parse(table.metric)
    direction, across = direction_of(metric), bool(metric.card.across)
    rows = [{one.method: one for one in own} for own in scored]
    names = [name for name in rows[0] if all(name in row for row in rows)]
    shared = shared_units([row[name] for row in rows for name in names]) if names else []
    common = [on_common_images(metric, [row[name] for name in names], shared) for row in rows]
    rates = [win_rates(numbers_of(own), direction) for own in scored]
    found = []
    for name in names:
        units = shared if across else shared_units([row[name] for row in rows])
        if not units:
            continue
        values = [row[name].on(units) for row in rows]
        reduced = [metric.reduce([one]) for one in values]
        if across:
            reduced = [{**r, "value": c[name]} for r, c in zip(reduced, common, strict=True)]
        more = _means(reduced)
        low, high = _interval(metric, values, [one["value"] for one in reduced], seed)
        found.append(
            Answer(
                table=table,
                target=target,
                method=name,
                direction=direction,
                images=len(units),
                value=more.pop("value"),
                low=low,
                high=high,
                undefined=more.pop("undefined", 0.0),
                common=float(np.mean([one[name] for one in common])),
                win_rate=float(np.mean([one.get(name, np.nan) for one in rates])),
                more=more,
                seeds=len(rows),
            )
        )
    return found


def _means(reduced: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the mean over networks of all that each reducer says, and the spread of the value."""
    keys = [key for key in reduced[0] if all(key in one for one in reduced)]
    found = {key: float(np.mean([one[key] for one in reduced])) for key in keys}
    return {**found, SPREAD: float(np.std([one["value"] for one in reduced], ddof=1))}


def _interval(
    metric: Metric, values: Sequence[Values], answers: Sequence[float], seed: int
) -> tuple[float, float]:
    """Return the interval of the mean; none for pooled pixels, and for what compares methods."""
    if metric.card.across or any(COUNTS in one.extras for one in values):
        return float("nan"), float("nan")
    if all(one.values is not None for one in values):
        table = np.stack([one.values.double().numpy() for one in values if one.values is not None])
        known = [row[~np.isnan(row)] for row in table]
        means = [row.mean() if len(row) else np.nan for row in known]
        if np.allclose(means, answers, rtol=1e-12, atol=0):
            return bootstrap_seeds(table, seed=seed)

    def again(network: int, places: NDArray[np.int64]) -> float:
        return metric.reduce([picked(values[network], places)])["value"]

    return bootstrap_any_seeds(len(values), len(values[0]), again, seed=seed)
