"""A number in a table with all that it comes from: a hover text, and a link to its protocol."""

from __future__ import annotations

import math

from regionwise.benchmark.answers import Answer
from regionwise.benchmark.grids import ARROWS, number
from regionwise.report.markup import tag, text


def anchor(protocol: str) -> str:
    """Return where on the page a protocol is described."""
    return f"protocol-{protocol}"


def metric_link(answer: Answer, name: str = "", *, target: bool = False) -> str:
    """Return a metric's name, or another for it, with its direction and a link to its protocol."""
    arrow = ARROWS[answer.direction]
    shown = f"{name or answer.table.metric} {arrow}".strip()
    shown += f" ({answer.target} class)" if target and answer.target != "pairs" else ""
    return tag("a", text(shown), href=f"#{anchor(answer.table.protocol)}")


def number_cell(
    answer: Answer, shown: str, *, best: bool = False, small: str = "", value: float | None = None
) -> str:
    """Return a cell: the number as it is ``shown``, small print below, and its provenance.

    ``value`` is what the table is sorted by, the answer's own by default.
    """
    sorted_by = answer.value if value is None else value
    link = tag("a", text(shown), href=f"#{anchor(answer.table.protocol)}")
    more = tag("small", text(small)) if small else ""
    return tag(
        "td",
        link + more,
        class_="best" if best else None,
        title=provenance(answer),
        data_value=f"{sorted_by:.9g}" if math.isfinite(sorted_by) else "",
    )


def interval(low: float, high: float) -> str:
    """Return an interval in brackets; nothing where it is not known."""
    return "" if math.isnan(low) else f"[{number(low)}, {number(high)}]"


def provenance(answer: Answer) -> str:
    """Return in words what a number is: of what, by whom, of how many pictures, how sure."""
    table = answer.table
    parts = [
        f"{table.metric} of {answer.method}: {number(answer.value)}",
        f"95 % interval {interval(answer.low, answer.high)}" if answer.low == answer.low else "",
        f"model {table.model}" + (f" ({table.model_hash})" if table.model_hash else ""),
        "two classes that differ in few parts" if answer.target == "pairs" else "",
        f"{answer.target} class explained" if answer.target != "pairs" else "",
        f"judge {table.judge}" if table.judge else "no judge",
        f"{answer.images} pictures" if answer.target != "pairs" else f"{answer.images} pairs",
        f"{100 * answer.undefined:.0f} % undefined" if answer.undefined else "",
        f"on those that all methods have: {number(answer.common)}",
        f"protocol {table.protocol}",
    ]
    return "; ".join(part for part in parts if part)
