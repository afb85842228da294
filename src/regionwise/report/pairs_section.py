"""Pair figures (CALM): does the difference of two maps lie where two classes differ?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from regionwise.benchmark.grids import number
from regionwise.report.gallery_cards import plain
from regionwise.report.gallery_section import WHY
from regionwise.report.markup import code, paragraph, section, tag, text
from regionwise.report.pair_figures import PairFigure, PairRow

_NOTE: Final = (
    "Each picture is held against a class that differs from its own in few parts. Outlined: the"
    " parts in which the two differ, where the difference of the maps should lie. Each map is"
    " scaled by itself; the difference is red where the map of the picture's own class is higher,"
    " blue where the other's is. The number is the average precision of the magnitude of the"
    " difference for the outlined pixels. After Kim et al. 2021, Fig. 1 and 4."
)


def pairs_section(figures: Sequence[PairFigure]) -> str:
    """Return the section; nothing without figures."""
    if not figures:
        return ""
    content = "".join(_figure(one) for one in figures)
    return section("pairs", "Two classes that differ in few parts", paragraph(_NOTE), content)


def _figure(one: PairFigure) -> str:
    first, second = (plain(name) for name in one.names)
    parts = " and ".join(one.parts)
    head = tag("strong", text(one.image))
    head += tag("span", text(WHY[one.why]), class_=f"why {one.why}")
    head += f" is {text(first)}; {text(second)} differs from it in: {text(parts)}."
    truth = _map(one.picture, "picture") + _map(one.truth, parts)
    several = len({row.model for row in one.rows}) > 1
    maps = "".join(_row(row, (first, second), several=several) for row in one.rows)
    given = tag("div", tag("p", text("the picture"), class_="class") + _maps(truth), class_="pair")
    inner = tag("figcaption", head) + tag("div", given + maps, class_="pair-rows")
    return tag("figure", inner, class_="card")


def _row(row: PairRow, names: tuple[str, str], *, several: bool) -> str:
    head = code(row.method) + (f" of {text(row.model)}" if several else "")
    if math.isfinite(row.number):
        head += f": {tag('b', number(row.number))}"
    first, second = (" ".join(pair) for pair in zip(names, row.chances, strict=True))
    maps = _map(row.first, first) + _map(row.second, second) + _map(row.difference, "difference")
    return tag("div", tag("p", head, class_="class") + _maps(maps), class_="pair")


def _maps(inner: str) -> str:
    return tag("div", inner, class_="trio")


def _map(address: str, name: str) -> str:
    image = f'<img src="{address}" alt="{text(name)}" loading="lazy">'
    return tag("div", image + text(name), class_="map")
