"""The pictures of a report: some of a benchmark's are explained again, by every network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from regionwise.apps.progress import OpenProgress, Progress
from regionwise.apps.report_choice import chosen_pairs, chosen_pictures
from regionwise.apps.report_pairs import Pairs, pair_figure
from regionwise.benchmark.agreement import Agreement, Correlated, agreement_of, correlated
from regionwise.benchmark.cases import Shown
from regionwise.benchmark.context import Context
from regionwise.benchmark.explained import context_of, explained, recipes_of
from regionwise.benchmark.per_image import PerImage
from regionwise.benchmark.summary import Summary
from regionwise.errors import RegionwiseError
from regionwise.report.benchmark_page import Made
from regionwise.report.gallery_cards import Card, card_of, never
from regionwise.report.gallery_section import Gallery
from regionwise.report.pair_figures import PairFigure
from regionwise.report.thumbnails import side_for


@dataclass(frozen=True)
class Wanted:
    """How many pictures, how many pairs, the metric that chooses (empty: any), and the device."""

    gallery: int
    pairs: int
    by: str
    device: str


def pictures_made(
    wanted: Wanted, summary: Summary, tables: Sequence[PerImage], open_progress: OpenProgress
) -> Made:
    """Return pictures with the maps of all methods of all networks.

    What fails is said and left out.

    Raises:
        RegionwiseError: data or networks are gone, or no metric chooses the pictures.
    """
    context = context_of(summary.plan, wanted.device)
    chosen, choice = chosen_pictures(summary, tables, wanted.gallery, wanted.by)
    candidates, units = chosen_pairs(context.data, tables, wanted.pairs, context.seed)
    pairs = Pairs(summary, tables, context, units)
    models = [used["source"] for used in summary.plan["models"]]
    with open_progress(len(models) * len(chosen) + min(wanted.pairs, len(candidates))) as progress:
        found = [_gallery(model, summary, chosen, context, progress) for model in models]
        figures = _figures(pairs, candidates, wanted.pairs, progress)
    agreements = {gallery.model: one for gallery, one in found if one is not None}
    return Made([gallery for gallery, _ in found], choice, agreements, figures)


def _gallery(
    model: str, summary: Summary, chosen: Sequence[Shown], context: Context, progress: Progress
) -> tuple[Gallery, Agreement | None]:
    """Explain the pictures by the methods of one network.

    Raises:
        RegionwiseError: it cannot be loaded.
    """
    context.model(model)
    recipes, missing = recipes_of(summary.plan, model)
    side = side_for(len(chosen) * len(recipes) * 2 * len(summary.plan["models"]))
    cards: list[Card] = []
    alike: list[Correlated] = []
    failures = []
    for shown in chosen:
        image = shown.unit[0]
        try:
            again = explained(context, model, recipes, image)
            label = context.data.class_names[context.data.picture(image).label]
            cards.append(card_of(again, shown, label, side))
            maps = {name: one.saliency()[0, 0] for name, one in again.attributions.items()}
            alike.append(correlated(maps))
            failures.append(again.failed)
        except RegionwiseError as error:
            progress.say(f"{image}: {error}")
        progress.advance(1)
    gallery = Gallery(model, tuple(cards), {**missing, **never(failures)})
    return gallery, agreement_of(alike)


def _figures(
    pairs: Pairs, candidates: Sequence[Shown], count: int, progress: Progress
) -> list[PairFigure]:
    """Return up to ``count`` figures; a pair whose parts are not seen gives none."""
    found: list[PairFigure] = []
    for shown in candidates:
        if len(found) == count:
            break
        try:
            figure = pair_figure(pairs, shown)
        except RegionwiseError as error:
            progress.say(f"{shown.unit[0]}: {error}")
            continue
        if figure is not None:
            found.append(figure)
            progress.advance(1)
    return found
