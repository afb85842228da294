"""The numbers of a summary as tables of methods by metrics, before they are written anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from regionwise.benchmark.answers import Answer
from regionwise.benchmark.summary import Summary
from regionwise.metrics.catalog import metrics as known_metrics

ARROWS: Final = {"higher": "↑", "lower": "↓", "none": ""}
UNDEFINED: Final = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """One number of a table: its text, whether it is the best of its column, and what is known.

    ``published`` is what somebody printed, as text; empty if nothing is known.
    """

    text: str
    best: bool = False
    published: str = ""


@dataclass(frozen=True)
class Grid:
    """A table of methods by metrics: its title, column heads with direction, and rows."""

    title: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def number(value: float) -> str:
    """Return three digits behind the point, or three significant ones of what is small or large."""
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.3g}"


def grids(summary: Summary, *, intervals: bool = True) -> Iterator[Grid]:
    """Yield a table for each model, judge and group of metrics that has numbers."""
    groups = summary.plan["metrics"]
    targets = {
        g["name"]: g["target"] or summary.plan["recipe"]["target"]
        for g in summary.plan["recipe"]["metrics"]
    }
    for used in summary.plan["models"]:
        for judge in summary.plan["recipe"]["judges"]:
            for name, metrics in groups.items():
                chosen = [
                    a
                    for a in summary.answers
                    if a.table.model == used["source"]
                    and a.table.judge in {"", judge}
                    and a.table.metric in metrics
                    and a.target == targets[name]
                ]
                if chosen:
                    title = f"{name} of {used['source']}" + (
                        f", judged by {judge}" * (judge != "own")
                    )
                    yield _grid(f"{title} ({targets[name]} class)", chosen, summary, intervals)


def _grid(title: str, chosen: Sequence[Answer], summary: Summary, intervals: bool) -> Grid:  # noqa: FBT001
    metrics = list(dict.fromkeys(a.table.metric for a in chosen))
    methods = list(dict.fromkeys(a.method for a in chosen))
    by_key = {(a.method, a.table.metric): a for a in chosen}
    best = {name: _best([a for a in chosen if a.table.metric == name]) for name in metrics}
    rows = []
    for method in methods:
        cells = []
        for name in metrics:
            answer = by_key.get((method, name))
            if answer is None:
                cells.append(Cell(""))
                continue
            text = number(answer.value)
            if intervals and not math.isnan(answer.low):
                text += f" [{number(answer.low)}, {number(answer.high)}]"
            printed = published(summary, answer)[0]
            shown = number(printed) if isinstance(printed, float) else ""
            cells.append(Cell(text, _equals(answer.value, best[name]), shown))
        rows.append((method, tuple(cells)))
    heads = tuple((name, _direction(name)) for name in metrics)
    return Grid(title, heads, tuple(rows))


def _direction(metric: str) -> str:
    return str(known_metrics.card(metric.partition(":")[0]).direction)


def _best(answers: Sequence[Answer]) -> float:
    values = [a.value for a in answers if not math.isnan(a.value)]
    if not values or answers[0].direction == "none":
        return float("nan")
    return max(values) if answers[0].direction == "higher" else min(values)


def _equals(value: float, best: float) -> bool:
    """Whether two numbers are the same but for rounding."""
    return math.isclose(value, best, rel_tol=1e-5, abs_tol=1e-10)


def published(summary: Summary, answer: Answer) -> tuple[float | str, str]:
    """Return what somebody printed for this answer, and where; empty texts if nobody did."""
    for item in summary.plan["recipe"]["published"]:
        if (item["method"], item["metric"]) == (answer.method, answer.table.metric):
            return float(item["value"]), str(item["source"])
    return "", ""
