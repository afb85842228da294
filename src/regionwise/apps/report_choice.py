"""Which pictures, and which pairs of classes, a report shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from regionwise.benchmark.cases import Shown, cases_of, first_of
from regionwise.benchmark.per_image import PerImage, UnitKey, direction_of
from regionwise.benchmark.plan import Unit, units_of
from regionwise.benchmark.questions import mains_of
from regionwise.benchmark.samples import BenchmarkData
from regionwise.benchmark.summary import Summary
from regionwise.errors import SettingError
from regionwise.report.gallery_section import Choice

CUES = "cue-localisation"
FEW = 2
"""Parts in which the classes of a pair figure may differ."""


def chosen_pictures(
    summary: Summary, tables: Sequence[PerImage], count: int, by: str
) -> tuple[list[Shown], Choice]:
    """Return up to ``count`` pictures, and in words how they were chosen.

    Raises:
        SettingError: no metric called ``by`` has numbers that say which picture is better.
    """
    able = [t for t in tables if t.target != "pairs" and direction_of(t) != "none"]
    metric = _metric(summary, able, by)
    own = [t for t in able if t.table.metric == metric]
    own = [t for t in own if t.target == own[0].target]
    seed = int(summary.plan["recipe"]["seed"])
    found = cases_of(own, count, seed, higher=direction_of(own[0]) == "higher") if own else []
    if found:
        pictures = len({image for table in own for image, _ in table.units})
        words = (
            f"{len(found)} of {pictures} pictures: some of the worst, some of the best, and some"
            f" typical ones by {metric} ({own[0].target} class), as the mean over the methods that"
            " know the network, and over networks."
        )
        return found, Choice(words, metric)
    units: list[UnitKey] = sorted({u for t in tables for u in t.units if u[1] < 0})
    words = "The first pictures of the sample: there is no number to choose by."
    return first_of(units, count, seed), Choice(words if units else "")


def chosen_pairs(
    data: BenchmarkData, tables: Sequence[PerImage], count: int, seed: int
) -> tuple[list[Shown], Mapping[UnitKey, Unit]]:
    """Return pictures held against a class that differs in few parts, and what differs.

    ``count`` of the worst, best and typical ones by cue localisation; without numbers all pictures,
    because in some the parts are not seen. Nothing where data has no parts.
    """
    try:
        units = {(u.image, u.against): u for u in units_of(data, "pairs", seed)}
    except SettingError:
        return [], {}
    few = {key: unit for key, unit in units.items() if len(unit.differing) <= FEW} or units
    scored = [_only(table, few) for table in pair_tables(tables)]
    found = cases_of(scored, count, seed, higher=True)
    return found or first_of(list(few), len(few), seed), few


def pair_tables(tables: Sequence[PerImage]) -> list[PerImage]:
    """Return the tables of cue localisation, of the first of its settings."""
    own = [t for t in tables if t.target == "pairs" and t.table.metric.partition(":")[0] == CUES]
    return [t for t in own if t.table.metric == own[0].table.metric]


def _metric(summary: Summary, able: Sequence[PerImage], by: str) -> str:
    known = list(dict.fromkeys(t.table.metric for t in able))
    if by:
        named = [m for m in known if by in {m, m.partition(":")[0]}]
        if not named:
            raise SettingError(
                f"--by {by!r}: no such metric has a number for each picture; these have:"
                f" {', '.join(known) or 'none'}"
            )
        return named[0]
    judges = summary.plan["recipe"]["judges"]
    for used in summary.plan["models"]:
        for main in mains_of(summary.answers, used["source"], judges):
            if main.first.table.metric in known and main.first.target != "pairs":
                return main.first.table.metric
    return known[0] if known else ""


def _only(table: PerImage, units: Mapping[UnitKey, Unit]) -> PerImage:
    kept = [place for place, unit in enumerate(table.units) if unit in units]
    numbers = {method: column[kept] for method, column in table.numbers.items()}
    return PerImage(table.table, table.target, tuple(table.units[p] for p in kept), numbers)
