"""The leaderboard: methods by main metric, ranked by Borda count, with what they cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from regionwise.benchmark.advice import Advice
from regionwise.benchmark.answers import Answer
from regionwise.benchmark.comparing import Ranking
from regionwise.benchmark.grids import UNDEFINED, number
from regionwise.benchmark.per_image import is_control
from regionwise.benchmark.questions import Main
from regionwise.benchmark.summary import Summary
from regionwise.report.answer_section import seconds
from regionwise.report.markup import code, of_models, paragraph, section, table, tag, text
from regionwise.report.number_cells import interval, metric_link, number_cell

_NOTE: Final = (
    "Borda count over {} metrics that say which map is better, on the images that all methods have:"
    " a first rank gives as many points as there are methods, equal answers share a rank. In"
    " brackets: 95 % bootstrap intervals over images. Bold: the best of a column. Hover over a"
    " number, or follow it, for what it comes from; click an arrow to sort."
)


def leaderboard_section(summary: Summary, advice: Sequence[Advice]) -> str:
    """Return the section, a table for each model."""
    rankings = {one.model: one for one in reversed(summary.rankings)}  # the first judge's stays
    blocks = {one.model: _of_model(one, rankings.get(one.model)) for one in advice}
    return section("leaderboard", "Leaderboard", of_models(blocks))


def sortable(head: str, small: str = "", *, down: bool) -> str:
    """Return a head of a column by which a table can be sorted; ``down``: large values first."""
    arrow = tag("button", "⇅", type="button", class_="sort", aria_label="sort")
    below = tag("small", text(small)) if small else ""
    return tag("th", head + arrow + below, data_down="1" if down else None)


def _of_model(advice: Advice, ranking: Ranking | None) -> str:
    mains = [one.main for one in advice.standings]
    points: Mapping[str, int] = {} if ranking is None else ranking.points
    methods = list(dict.fromkeys(a.method for main in mains for a in main.answers))
    methods.sort(key=lambda method: -points.get(method, 0))
    heads = ["<th>method</th>", sortable("Borda count", down=True)]
    heads += [_head(main) for main in mains]
    heads += [sortable("an image", down=False)]
    rows = [_row(method, points.get(method), mains, advice.seconds) for method in methods]
    note = paragraph(_NOTE.format(0 if ranking is None else ranking.metrics), "soft")
    return table(heads, rows, "sortable") + note


def _head(main: Main) -> str:
    down = main.first.direction == "higher"
    return sortable(metric_link(main.first), main.question.name, down=down)


def _row(
    method: str, points: int | None, mains: Sequence[Main], costs: Mapping[str, float]
) -> list[str]:
    note = tag("small", "control") if is_control(method) else ""
    cost = costs.get(method, math.nan)
    return [
        tag("th", code(method) + note, scope="row"),
        tag("td", "" if points is None else str(points), data_value=str(points or 0)),
        *(_number(main, method) for main in mains),
        tag("td", seconds(cost) if math.isfinite(cost) else UNDEFINED, data_value=_plain(cost)),
    ]


def _number(main: Main, method: str) -> str:
    answer = next((a for a in main.answers if a.method == method), None)
    if answer is None:
        return "<td></td>"
    best = _best(main.answers)
    unit = "pairs" if answer.target == "pairs" else "pictures"
    few = "" if main.alike else f"{answer.images} {unit}"
    small = " ".join(part for part in (interval(answer.low, answer.high), few) if part)
    equal = math.isclose(answer.value, best, rel_tol=1e-5, abs_tol=1e-10)
    return number_cell(answer, number(answer.value), best=equal, small=small)


def _best(answers: Sequence[Answer]) -> float:
    values = [a.value for a in answers]
    return max(values) if answers[0].direction == "higher" else min(values)


def _plain(value: float) -> str:
    return f"{value:.9g}" if math.isfinite(value) else ""
