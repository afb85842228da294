"""A benchmark as one page, from the answer down to where each number comes from.

The page holds all it needs: no script, style or picture is loaded from elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from regionwise.benchmark.advice import advice_of
from regionwise.benchmark.agreement import Agreement
from regionwise.benchmark.curves import Curves
from regionwise.benchmark.notes import notes
from regionwise.benchmark.per_image import PerImage
from regionwise.benchmark.summary import Summary
from regionwise.report.agreement_section import agreement_section
from regionwise.report.answer_section import answer_section
from regionwise.report.claims_section import claims_section
from regionwise.report.cost_section import cost_section
from regionwise.report.curves_section import curves_section
from regionwise.report.gallery_section import Choice, Gallery, gallery_section
from regionwise.report.leaderboard_section import leaderboard_section
from regionwise.report.markup import tag, text
from regionwise.report.pair_figures import PairFigure
from regionwise.report.pairs_section import pairs_section
from regionwise.report.protocol_section import missing_section, origin_section, protocol_section
from regionwise.report.tables_section import controls_section, tables_section


@dataclass(frozen=True)
class Made:
    """What was made again for the page, because rows hold numbers and no maps.

    Attributes:
        galleries: of each model.
        choice: how their pictures were chosen.
        agreements: of the methods' maps, by model.
        pairs: figures of two classes.
    """

    galleries: Sequence[Gallery] = ()
    choice: Choice = field(default_factory=Choice)
    agreements: Mapping[str, Agreement] = field(default_factory=dict)
    pairs: Sequence[PairFigure] = ()


def benchmark_page(
    summary: Summary,
    protocols: Mapping[str, Any],
    curves: Sequence[Curves],
    tables: Sequence[PerImage],
    made: Made,
) -> str:
    """Return the page.

    Args:
        summary: what the rows say.
        protocols: what the protocol ids stand for.
        curves: mean curves.
        tables: numbers of each picture.
        made: pictures with maps.
    """
    advice = advice_of(summary)
    sections = [
        answer_section(advice),
        leaderboard_section(summary, advice),
        _linked("claims", claims_section(summary.claims)),
        cost_section(summary, advice),
        curves_section(curves),
        agreement_section(made.agreements),
        gallery_section(made.galleries, tables, made.choice),
        pairs_section(made.pairs),
        controls_section(summary),
        tables_section(summary),
        protocol_section(summary, protocols),
        origin_section(summary),
        missing_section(summary),
    ]
    full = [one for one in sections if one]
    return _document(summary.plan["recipe"]["title"], [_head(summary, full), *full])


def _document(title: str, parts: Sequence[str]) -> str:
    here = files("regionwise.report")
    style = (here / "benchmark_page.css").read_text(encoding="utf-8")
    script = (here / "benchmark_page.js").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{text(title)}</title><style>{style}</style></head><body>"
        + "\n".join(parts)
        + f"<script>{script}</script></body></html>\n"
    )


def _head(summary: Summary, sections: Sequence[str]) -> str:
    """Return title, what it is about, and links to the sections; a choice of several models."""
    recipe = summary.plan["recipe"]
    about = tag("p", text(recipe["summary"])) if recipe["summary"] else ""
    about += "".join(tag("p", _marked(note), class_="soft") for note in notes(summary))
    links = "".join(tag("a", text(title), href=f"#{name}") for name, title in _titles(sections))
    models = list(dict.fromkeys(answer.table.model for answer in summary.answers))
    choice = ""
    if len(models) > 1:
        options = "".join(tag("option", text(model), value=model) for model in models)
        options = '<option value="">all networks</option>' + options
        choice = tag("label", "Network " + tag("select", options, id="model"))
    nav = tag("nav", choice + tag("div", links, class_="links"), aria_label="sections")
    return tag("h1", text(recipe["title"])) + about + nav


def _linked(name: str, content: str) -> str:
    """Return content with a heading of its own as a section; nothing for none."""
    return tag("section", content, id=name) if content else ""


def _titles(sections: Sequence[str]) -> list[tuple[str, str]]:
    """Return name and short title of each section that has a name."""
    found = [re.match(r'<section id="([^"]+)"><h2>(.*?)</h2>', one) for one in sections]
    return [(one[1], one[2]) for one in found if one]


def _marked(note: str) -> str:
    """Return a note whose names stand between backticks as markup."""
    parts = note.split("`")
    return "".join(
        tag("code", text(part)) if place % 2 else text(part) for place, part in enumerate(parts)
    )
