"""A benchmark's summary as files: CSV for programs, Markdown for people, LaTeX for papers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from regionwise.benchmark.answers import Answer
from regionwise.benchmark.grids import ARROWS, UNDEFINED, Cell, grids, number, published
from regionwise.benchmark.notes import legend, notes
from regionwise.benchmark.summary import Summary
from regionwise.files import write_text

_TEX: Final = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", "none": ""}
_RANKING: Final = (
    "Over {} metrics that say which map is better, on the images that all methods have. A first"
    " rank gives as many points as there are methods, or three (CAPE); equal answers share a rank."
)
_WEAKNESS: Final = (
    "One-sided paired test over images, corrected by Holm for the methods of a metric; p of 0.05"
    " or more. Few images show little."
)
_COST: Final = (
    "Each method alone, one picture at a time, warm; medians. Work is the operations of"
    " convolutions and matrix products, in units of one forward pass; those of convolutions'"
    " gradients apart."
)
_SPECIAL: Final = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"} | {"\\": r"\textbackslash{}"})


def write_tables(folder: Path, summary: Summary) -> None:
    """Write ``summary.csv``, ``tests.csv``, ``summary.md`` and ``summary.tex``.

    Raises:
        OutputError: one cannot be written.
    """
    write_text(folder / "summary.csv", answers_csv(summary))
    write_text(folder / "tests.csv", pairs_csv(summary))
    write_text(folder / "summary.md", markdown(summary))
    write_text(folder / "summary.tex", latex(summary))


def answers_csv(summary: Summary) -> str:
    """Return every answer as a line; what a reducer says beside the value comes as its own line."""
    head = [
        *("model", "model_hash", "judge", "target", "metric", "protocol", "method", "name"),
        *("direction", "images", "value", "low", "high", "undefined", "common", "win_rate"),
        *("published", "source", "published_model", "published_data", "seeds"),
    ]
    lines: list[Sequence[object]] = [head]
    for a in summary.answers:
        table = a.table
        key = [table.model, table.model_hash, table.judge, a.target, table.metric, table.protocol]
        numbers = [a.value, a.low, a.high, a.undefined, a.common, a.win_rate]
        said = [*_printed(summary, a, ""), a.seeds]
        lines.append([*key, a.method, "value", a.direction, a.images, *numbers, *said])
        for name, value in a.more.items():
            said = [*_printed(summary, a, name), a.seeds]
            lines.append([*key, a.method, name, "", a.images, value, *[""] * 5, *said])
    return _csv(lines)


def _printed(summary: Summary, answer: Answer, more: str) -> list[object]:
    found = published(summary, answer, more)
    return [""] * 4 if found is None else [found.value, found.source, found.model, found.data]


def pairs_csv(summary: Summary) -> str:
    """Return every paired test as a line."""
    head = [
        *("model", "judge", "target", "metric", "first", "second"),
        *("images", "difference", "p", "p_holm"),
    ]
    lines: list[Sequence[object]] = [head]
    for t in summary.tests:
        key = [t.table.model, t.table.judge, t.target, t.table.metric, t.first, t.second]
        lines.append([*key, t.images, t.difference, t.p, t.p_holm])
    return _csv(lines)


def markdown(summary: Summary) -> str:
    """Return all tables, rankings, what coincides, what is no better than a control, and errors."""
    recipe = summary.plan["recipe"]
    text = [
        f"# {recipe['title']}",
        recipe["summary"],
        " ".join(notes(summary)),
    ]
    for grid in grids(summary):
        heads = [f"{name} {ARROWS[direction]}".strip() for name, direction in grid.heads]
        rows = [[name, *(_marked(cell) for cell in cells)] for name, cells in grid.rows]
        text += [f"## {grid.title}", _pipes([["method", *heads], *rows]), legend(grid)]
    text += [*_ranking_text(summary), *_weakness_text(summary), *_cost_text(summary)]
    return "\n\n".join(part for part in [*text, *_missing_text(summary)] if part) + "\n"


def latex(summary: Summary) -> str:
    """Return the tables for a paper that loads ``booktabs``."""
    text = []
    for grid in grids(summary, intervals=False):
        heads = [name.translate(_SPECIAL) + _TEX[way] for name, way in grid.heads]
        rows = [
            " & ".join([name.translate(_SPECIAL), *(_texed(cell) for cell in cells)]) + r" \\"
            for name, cells in grid.rows
        ]
        text.append(
            "\n".join(
                [
                    *(f"% {line}" for line in (grid.title, legend(grid)) if line),
                    rf"\begin{{tabular}}{{l{'r' * len(heads)}}}",
                    r"\toprule",
                    " & ".join(["Method", *heads]) + r" \\",
                    r"\midrule",
                    *rows,
                    r"\bottomrule",
                    r"\end{tabular}",
                ]
            )
        )
    return "\n\n".join(text) + "\n"


def _marked(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return f"{text} (published {cell.published})" if cell.published else text


def _texed(cell: Cell) -> str:
    text = rf"\textbf{{{cell.text}}}" if cell.best else cell.text
    text = text.replace(UNDEFINED, "--").replace("∞", r"$\infty$")
    return f"{text} ({cell.published})" if cell.published else text


def _csv(lines: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()


def _pipes(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _ranking_text(summary: Summary) -> list[str]:
    text = []
    for ranking in summary.rankings:
        order = sorted(ranking.points, key=lambda name: -ranking.points[name])
        rows = [[m, str(ranking.points[m]), str(ranking.points3[m])] for m in order]
        text += [
            f"## Borda count of {ranking.model}, judged by {ranking.judge}",
            _RANKING.format(ranking.metrics),
            _pipes([["method", "points", "points of three"], *rows]),
        ]
    return text


def _weakness_text(summary: Summary) -> list[str]:
    text = []
    groups = [f"- {model}: {', '.join(g)}" for model, gs in summary.coincide.items() for g in gs]
    if groups:
        text += [
            "## Methods that coincide",
            "All their numbers agree to four digits.",
            "\n".join(groups),
        ]
    weak: dict[tuple[str, str, str], list[str]] = {}
    for answer, control, methods in summary.no_better:
        for method in methods:
            key = (answer.table.model, control, method)
            weak.setdefault(key, []).append(answer.table.metric)
    if weak:
        rows = [[*key, str(len(names)), ", ".join(names)] for key, names in weak.items()]
        text += [
            "## Not shown to be better than a control",
            _WEAKNESS,
            _pipes([["model", "control", "method", "metrics", "which"], *rows]),
        ]
    return text


def _cost_text(summary: Summary) -> list[str]:
    if not summary.cost:
        return []
    rows = [
        [
            model,
            method,
            *(number(cost.get(name, math.nan)) for name in ("seconds", "forward", "backward")),
        ]
        for (model, method), cost in sorted(summary.cost.items())
    ]
    return [
        "## Cost",
        _COST,
        _pipes([["model", "method", "seconds", "work", "of gradients"], *rows]),
    ]


def _missing_text(summary: Summary) -> list[str]:
    left = {
        name: reason for used in summary.plan["models"] for name, reason in used["left_out"].items()
    }
    left |= summary.plan["left_out"]
    text = []
    if left:
        lines = [f"- {name}: {reason}" for name, reason in left.items()]
        text += ["## Left out", "\n".join(lines)]
    if summary.errors:
        rows = [[m, metric or "all", str(n), reason] for m, metric, reason, n in summary.errors]
        text += ["## Errors", _pipes([["method", "metric", "images", "reason"], *rows])]
    return text
