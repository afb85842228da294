"""The numbers of a summary as tables of methods by metrics, before they are written anywhere."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from regionwise.benchmark.answers import Answer
from regionwise.benchmark.summary import Summary, seeds_of
from regionwise.metrics.catalog import metrics as known_metrics

ARROWS: Final = {"higher": "↑", "lower": "↓", "none": ""}
UNDEFINED: Final = "\N{EN DASH}"


@dataclass(frozen=True)
class Cell:
    """One number of a table: its text, whether it is the best of its column, and what is known.

    ``published`` is what somebody printed, as text; empty if nothing is known. ``answer`` is where
    the number comes from; ``None`` in an empty cell.
    """

    text: str
    best: bool = False
    published: str = ""
    answer: Answer | None = None


@dataclass(frozen=True)
class Grid:
    """A table of methods by metrics: its title, column heads with direction, and rows.

    ``legend`` says where published numbers stand, and of which network and data they are.
    """

    title: str
    heads: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]
    legend: tuple[str, ...] = ()


def number(value: float) -> str:
    """Return three digits behind the point, or three significant ones of what is small or large."""
    if math.isnan(value):
        return UNDEFINED
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{value:.3f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.3g}"


def grids(summary: Summary, *, intervals: bool = True) -> Iterator[Grid]:
    """Yield a table for each model, judge and group of metrics that has numbers.

    Networks that were trained alike with other seeds follow, one table for each group of them.
    """
    groups = summary.plan["metrics"]
    targets = {
        g["name"]: g.get("target") or summary.plan["recipe"]["target"]
        for g in summary.plan["recipe"]["metrics"]
    }
    for model, called in _models(summary):
        for judge in summary.plan["recipe"]["judges"]:
            for name, metrics in groups.items():
                chosen = [
                    a
                    for a in summary.answers
                    if a.table.model == model
                    and a.table.judge in {"", judge}
                    and a.table.metric in metrics
                    and a.target == targets[name]
                ]
                if chosen:
                    title = f"{name} of {called}" + f", judged by {judge}" * (judge != "own")
                    yield _grid(f"{title} ({targets[name]} class)", chosen, summary, intervals)


def _models(summary: Summary) -> list[tuple[str, str]]:
    """Return the names of networks and of groups of them, and what to call each in a title."""
    alone = [(used["source"], used["source"]) for used in summary.plan["models"]]
    groups = [(g.name, f"{g.name}, {len(g.models)} seeds") for g in seeds_of(summary.plan)]
    return alone + groups


def _grid(title: str, chosen: Sequence[Answer], summary: Summary, intervals: bool) -> Grid:  # noqa: FBT001
    columns = _columns(chosen)
    by_key = {(a.method, a.table.metric): a for a in chosen}
    best = {column: _best(chosen, *column) for column in columns}
    rows, legend = [], []
    for method in dict.fromkeys(a.method for a in chosen):
        cells = []
        for metric, more in columns:
            answer = by_key.get((method, metric))
            value = None if answer is None else _value(answer, more)
            if answer is None or value is None:
                cells.append(Cell(""))
                continue
            text = number(value)
            if intervals and not more and not math.isnan(answer.low):
                text += f" [{number(answer.low)}, {number(answer.high)}]"
            printed = published(summary, answer, more)
            if printed is not None:
                legend.append(printed.place)
            shown = "" if printed is None else number(printed.value)
            cells.append(Cell(text, _equals(value, best[metric, more]), shown, answer))
        rows.append((method, tuple(cells)))
    heads = tuple((column_name(*column), _direction(column[0])) for column in columns)
    return Grid(title, heads, tuple(rows), tuple(dict.fromkeys(legend)))


def _columns(chosen: Sequence[Answer]) -> list[tuple[str, str]]:
    """Return metric and further number of each column; the main number has no further name."""
    found = []
    for metric in dict.fromkeys(a.table.metric for a in chosen):
        own = [a for a in chosen if a.table.metric == metric]
        more = known_metrics.card(metric.partition(":")[0]).columns
        found += [(metric, ""), *((metric, m) for m in more if any(m in a.more for a in own))]
    return found


def column_name(metric: str, more: str) -> str:
    """Return what a metric, or one of its further numbers, is called in tables and recipes."""
    return f"{metric}, {more}" if more else metric


def _value(answer: Answer, more: str) -> float | None:
    return answer.more.get(more) if more else answer.value


def _direction(metric: str) -> str:
    return str(known_metrics.card(metric.partition(":")[0]).direction)


def _best(answers: Sequence[Answer], metric: str, more: str) -> float:
    own = [a for a in answers if a.table.metric == metric]
    values = [v for a in own if (v := _value(a, more)) is not None and not math.isnan(v)]
    if not values or own[0].direction == "none":
        return float("nan")
    return max(values) if own[0].direction == "higher" else min(values)


def _equals(value: float, best: float) -> bool:
    """Whether two numbers are the same but for rounding."""
    return math.isclose(value, best, rel_tol=1e-5, abs_tol=1e-10)


@dataclass(frozen=True)
class Printed:
    """A number that somebody printed: where, of which network and on which data, if known."""

    value: float
    source: str
    model: str
    data: str

    @property
    def place(self) -> str:
        """The paper and its table, and what the number is of."""
        what = " on ".join(part for part in (self.model, self.data) if part)
        paper = ", ".join(self.source.split(", ")[:2])
        return f"{paper} ({what})" if what else paper


def published(summary: Summary, answer: Answer, more: str = "") -> Printed | None:
    """Return what somebody printed for this answer, or for a further number of it."""
    for item in summary.plan["recipe"]["published"]:
        named = column_name(answer.table.metric, more)
        if (item["method"], item["metric"]) == (answer.method, named):
            model, data = str(item.get("model", "")), str(item.get("data", ""))
            return Printed(float(item["value"]), str(item["source"]), model, data)
    return None
