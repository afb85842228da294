"""The gallery: pictures with the maps of all methods, sorted by any metric and any method."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from regionwise.benchmark.cases import Why
from regionwise.benchmark.grids import ARROWS
from regionwise.benchmark.per_image import PerImage, direction_of
from regionwise.report.gallery_cards import Card, CardRow, MapCell
from regionwise.report.markup import code, of_models, paragraph, section, tag, text

WHY: Final[Mapping[Why, str]] = {
    "worst": "among the worst",
    "best": "among the best",
    "typical": "typical",
    "sample": "of the sample",
}


@dataclass(frozen=True)
class Gallery:
    """The cards of one model, and the methods that could not be made to explain again."""

    model: str
    cards: tuple[Card, ...]
    left_out: Mapping[str, str]


@dataclass(frozen=True)
class Choice:
    """How the pictures were chosen: in words, and the metric; empty if there was none."""

    words: str = ""
    metric: str = ""


def gallery_section(
    galleries: Sequence[Gallery], tables: Sequence[PerImage], choice: Choice
) -> str:
    """Return the section; nothing without cards.

    Args:
        galleries: of each model.
        tables: numbers of the pictures; those of pairs of classes are not looked at.
        choice: the metric that chose the pictures comes first.
    """
    shown = [one for one in galleries if one.cards]
    if not shown:
        return ""
    blocks = {one.model: _of_model(one) for one in shown}
    ordered = sorted(tables, key=lambda one: one.table.metric != choice.metric)
    numbers = {one.model: _numbers(one, ordered) for one in shown}
    embedded = json.dumps(numbers, separators=(",", ":")).replace("<", "\\u003c")
    data = f'<script type="application/json" id="numbers">{embedded}</script>'
    return section(
        "gallery", "Gallery", paragraph(choice.words), _controls(), of_models(blocks), data
    )


def metric_name(table: PerImage) -> str:
    """Return what the numbers of a table are called where one can be chosen."""
    shown = f"{table.table.metric} {ARROWS[direction_of(table)]}".strip()
    return f"{shown} ({table.target} class)"


def _numbers(gallery: Gallery, tables: Sequence[PerImage]) -> list[dict[str, Any]]:
    """Return the numbers of the cards, in their order, as the script wants them."""
    units = [(card.image, -1) for card in gallery.cards]
    return [
        {
            "name": metric_name(table),
            "target": table.target,
            "direction": direction_of(table),
            "mean": [_json(v) for v in table.means(units)],
            "values": {m: [_json(v) for v in table.row(m, units)] for m in table.numbers},
        }
        for table in tables
        if table.table.model == gallery.model and table.target != "pairs"
    ]


def _json(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _controls() -> str:
    """Return the choices; the script fills in the metrics and methods of the model."""
    orders = '<option value="worst">worst first</option><option value="best">best first</option>'
    rows = '<option value="all">all</option><option value="0">predicted</option>'
    rows += '<option value="1">the other: the label, or the runner-up</option>'
    fields = [
        ("by", "Sort by", ""),
        ("of", "of", ""),
        ("order", "order", orders),
        ("rows", "class explained", rows),
    ]
    inner = "".join(
        tag("label", f"{text(name)} {tag('select', choices, id=key)}")
        for key, name, choices in fields
    )
    return tag("div", inner, class_="controls", id="sorting")


def _of_model(gallery: Gallery) -> str:
    missing = "; ".join(f"{name} ({why})" for name, why in gallery.left_out.items())
    note = f"Left out, because it cannot explain again: {missing}." if missing else ""
    cards = "".join(_card(place, card, gallery) for place, card in enumerate(gallery.cards))
    return paragraph(note, "soft") + tag("div", cards, class_="cards")


def _card(place: int, card: Card, gallery: Gallery) -> str:
    caption = (
        tag("strong", text(card.image))
        + tag("span", text(WHY[card.why]), class_=f"why {card.why}")
        + f" is {text(card.label)}, predicted {text(card.predicted)}"
        + (tag("span", "wrong", class_="why wrong") if card.wrong else "")
        + tag("span", "", class_="mean")
    )
    rows = "".join(_row(number, row, card, gallery) for number, row in enumerate(card.rows))
    return tag("figure", tag("figcaption", caption) + rows, class_="card", data_place=str(place))


def _row(number: int, row: CardRow, card: Card, gallery: Gallery) -> str:
    kind = " and ".join(row.kinds) or "runner-up"
    chance = f", {row.chance}" if row.chance else ""
    title = tag("p", f"{text(kind)}: {tag('b', text(row.name))}{text(chance)}", class_="class")
    picture = tag("div", _image(card.address, card.image) + "picture", class_="map")
    cells = "".join(_cell(cell) for cell in row.cells if cell.method not in gallery.left_out)
    return tag(
        "div",
        title + tag("div", picture + cells, class_="strip"),
        class_="class-row",
        data_row=str(number),
        data_kinds=" ".join(row.kinds),
    )


def _cell(cell: MapCell) -> str:
    inner = _image(cell.address, cell.method) if cell.address else tag("em", text(cell.note))
    name = code(cell.method) + tag("span", "", class_="value")
    return tag("div", inner + name, class_="map", data_method=cell.method)


def _image(address: str, name: str) -> str:
    return f'<img src="{address}" alt="{text(name)}" loading="lazy">'
