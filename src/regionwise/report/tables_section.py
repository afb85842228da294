"""All numbers, group by group, and which methods a control equals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from regionwise.benchmark.answers import Answer
from regionwise.benchmark.grids import Cell, Grid, grids
from regionwise.benchmark.notes import legend
from regionwise.benchmark.summary import Summary
from regionwise.report.leaderboard_section import sortable
from regionwise.report.markup import code, listed, of_models, paragraph, section, table, tag, text
from regionwise.report.number_cells import metric_link, number_cell

_WEAK: Final = (
    "One-sided paired test over images, corrected by Holm for the methods of a metric; p of 0.05"
    " or more. Few images show little."
)


def tables_section(summary: Summary) -> str:
    """Return a table for each model, judge and group of metrics."""
    blocks: dict[str, str] = {}
    for grid in grids(summary):
        blocks[_model(grid)] = blocks.get(_model(grid), "") + _table(grid)
    return section("tables", "All numbers", of_models(blocks))


def controls_section(summary: Summary) -> str:
    """Return the methods that coincide, and those that are not shown to be better than a control.

    Nothing where there are none.
    """
    blocks = {}
    for used in summary.plan["models"]:
        model = used["source"]
        block = _coinciding(summary.coincide.get(model, ()))
        rows = [
            [metric_link(answer, target=True), code(control), ", ".join(code(m) for m in methods)]
            for answer, control, methods in summary.no_better
            if answer.table.model == model
        ]
        if rows:
            block += "<h4>Not shown to be better than a control</h4>" + paragraph(_WEAK, "soft")
            block += table(["metric", "control", "methods"], rows, "words")
        blocks[model] = block
    return section("controls", "Controls, and methods that coincide", of_models(blocks))


def _coinciding(groups: Sequence[Sequence[str]]) -> str:
    if not groups:
        return ""
    same = listed([", ".join(code(m) for m in group) for group in groups])
    return "<h4>Methods that coincide</h4>" + paragraph("All their numbers agree.", "soft") + same


def _model(grid: Grid) -> str:
    return next(c.answer.table.model for _, cells in grid.rows for c in cells if c.answer)


def _table(grid: Grid) -> str:
    columns = list(zip(*(cells for _, cells in grid.rows), strict=True))
    heads = ["<th>method</th>"]
    for (name, way), cells in zip(grid.heads, columns, strict=True):
        answer = next((cell.answer for cell in cells if cell.answer), None)
        head = text(name) if answer is None else metric_link(answer, name)
        heads.append(sortable(head, down=way == "higher"))
    rows = [
        [tag("th", code(method), scope="row"), *(_number(cell) for cell in cells)]
        for method, cells in grid.rows
    ]
    title = tag("h4", text(grid.title))
    return title + table(heads, rows, "sortable") + paragraph(legend(grid), "soft")


def _number(cell: Cell) -> str:
    if cell.answer is None:
        return "<td></td>"
    answer: Answer = cell.answer
    value, _, rest = cell.text.partition(" ")
    small = " ".join(p for p in (rest, f"published {cell.published}" * bool(cell.published)) if p)
    try:
        own = float(value)
    except ValueError:
        own = float("nan")
    return number_cell(answer, value, best=cell.best, small=small, value=own)
