"""Mean curves over images: deletion, insertion, R_k and their like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from regionwise.benchmark.curves import RATIO, Curves
from regionwise.report.line_chart import line_chart
from regionwise.report.markup import of_models, paragraph, section, tag, text
from regionwise.report.number_cells import anchor

_ACROSS: Final = {"deletion": "share removed", "insertion": "share shown"}
_UP: Final = {"score": "probability"}
_RATIO: Final = (
    "R_k: accuracy without the top k % of the pixels, divided by that without k % by chance;"
    " below 1 the map finds more of what counts than chance does."
)
_FIRST: Final = ("insertion", "deletion", "remove-and-classify", "road")


def curves_section(curves: Sequence[Curves]) -> str:
    """Return the section; nothing where there are no curves."""
    blocks: dict[str, str] = {}
    for one in sorted(curves, key=_place):
        blocks[one.table.model] = blocks.get(one.table.model, "") + _chart(one)
    grids = {model: tag("div", charts, class_="charts") for model, charts in blocks.items()}
    return section("curves", "Curves, means over images", of_models(grids))


def _chart(one: Curves) -> str:
    judge = "" if one.table.judge in {"", "own"} else f", judged by {one.table.judge}"
    about = f" ({one.target} class{judge}, up to {one.images} images)"
    link = tag("a", text(one.table.metric), href=f"#{anchor(one.table.protocol)}")
    head = tag("figcaption", tag("strong", link) + text(about))
    across = _ACROSS.get(one.table.metric.partition(":")[0], "share of pixels")
    chart = line_chart(one.levels, one.means, across=across, up=_UP.get(one.name, one.name))
    note = paragraph(_RATIO, "soft") if one.name == RATIO else ""
    return tag("figure", head + chart + note, class_="chart")


def _place(one: Curves) -> int:
    """Return where a chart stands: what everybody asks for comes first."""
    name = one.table.metric.partition(":")[0]
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)
