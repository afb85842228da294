"""One pair figure: a picture against a class that differs in few parts, by every network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from regionwise.apps.report_choice import CUES, pair_tables
from regionwise.benchmark.cases import Shown
from regionwise.benchmark.context import Context
from regionwise.benchmark.explained import SECOND, explained, recipes_of
from regionwise.benchmark.loaded import preprocessing_of
from regionwise.benchmark.per_image import PerImage, UnitKey, is_control
from regionwise.benchmark.plan import Unit
from regionwise.benchmark.summary import Summary
from regionwise.benchmark.truth import cue_of
from regionwise.data.images import open_image
from regionwise.metrics.catalog import metrics as known_metrics
from regionwise.metrics.pixel_metrics import CueLocalisation
from regionwise.report.gallery_cards import seen
from regionwise.report.pair_figures import (
    PairFigure,
    PairRow,
    methods_for,
    pair_row,
    truth_addresses,
)


@dataclass(frozen=True, eq=False)
class Pairs:
    """What all figures share: the benchmark, its numbers, its data, and what differs."""

    summary: Summary
    tables: Sequence[PerImage]
    context: Context
    units: Mapping[UnitKey, Unit]


def pair_figure(pairs: Pairs, shown: Shown) -> PairFigure | None:
    """Return the figure; ``None`` if the differing parts are not seen, or nothing can explain it.

    Raises:
        RegionwiseError: the picture cannot be read, or a network has other classes.
    """
    unit, context = pairs.units[shown.unit], pairs.context
    rows: list[PairRow] = []
    given = ("", "")
    for used in pairs.summary.plan["models"]:
        own, drawn = _rows(pairs, used["source"], unit)
        rows += own
        given = given if any(given) else drawn
    if not rows:
        return None
    label = context.data.picture(unit.image).label
    names = context.data.class_names[label], context.data.class_names[unit.against]
    return PairFigure(unit.image, names, unit.differing, shown.why, *given, tuple(rows))


def _rows(pairs: Pairs, model: str, unit: Unit) -> tuple[list[PairRow], tuple[str, str]]:
    """Return the rows of one network, and the picture without and with the true region."""
    context = pairs.context
    picture = context.data.picture(unit.image)
    how = preprocessing_of(context, model)
    truth = cue_of(how, picture, open_image(picture.path).size, unit.differing)
    if not truth.any():
        return [], ("", "")
    recipes, _ = recipes_of(pairs.summary.plan, model)
    able = {
        name: recipe
        for name, recipe in recipes.items()
        if not is_control(name) and SECOND not in recipe.origin.lacks
    }
    exact = [name for name, recipe in able.items() if recipe.exact]
    numbers = next((t for t in pair_tables(pairs.tables) if t.table.model == model), None)
    known = {} if numbers is None else _known(numbers, (unit.image, unit.against))
    means = {name: mean for name, mean in _scores(pairs, model).items() if name in known}
    chosen = methods_for(list(able), exact, means)
    asked = {name: able[name] for name in chosen}
    again = explained(context, model, asked, unit.image, unit.against)
    metric = CueLocalisation() if numbers is None else known_metrics.parse(numbers.table.metric)
    rows = [
        pair_row(model, one, truth, metric, known.get(name, math.nan))
        for name, one in again.attributions.items()
    ]
    first = next(iter(again.attributions.values()), None)
    return rows, ("", "") if first is None else truth_addresses(seen(first), truth)


def _known(numbers: PerImage, unit: UnitKey) -> dict[str, float]:
    """Return the numbers of one pair by method, where there are some."""
    found = {method: numbers.row(method, [unit])[0] for method in numbers.numbers}
    return {method: value for method, value in found.items() if math.isfinite(value)}


def _scores(pairs: Pairs, model: str) -> dict[str, float]:
    """Return cue localisation over all pairs by method, where there is any."""
    return {
        a.method: a.common
        for a in pairs.summary.answers
        if a.table.model == model and a.table.metric.partition(":")[0] == CUES
    }
