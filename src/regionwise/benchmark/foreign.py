"""Methods of a benchmark that are not ours: remembered by the content of their file or folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from regionwise.attribution.asked import as_recipe
from regionwise.attribution.recipe import Recipe
from regionwise.benchmark.recipe import BenchmarkRecipe, Group
from regionwise.errors import SettingError
from regionwise.metrics.catalog import metrics as known_metrics

MAPS: Final = "maps"
"""The group of methods of ``--maps``."""

AGAIN: Final = "again"


@dataclass(frozen=True)
class Source:
    """A method that is not ours: its id in the rows, what names it anywhere, a digest of it."""

    id: str
    text: str
    content: str


def sources_of(recipes: Mapping[str, Recipe]) -> tuple[Source, ...]:
    """Return what is to be remembered of methods that are not ours."""
    return tuple(
        Source(name, recipe.origin.text, recipe.origin.content)
        for name, recipe in recipes.items()
        if recipe.origin.text
    )


def opened(methods: Iterable[str], sources: Iterable[Source]) -> dict[str, Recipe]:
    """Return recipes by id, for ids of which some are not ours.

    Raises:
        SettingError: a file or folder is gone, or is not what was planned.
    """
    known = {source.id: source for source in sources}
    found = {}
    for name in methods:
        source = known.get(name)
        found[name] = as_recipe(name if source is None else source.text)
        if source is not None and found[name].origin.content != source.content:
            raise SettingError(
                f"{source.text!r} has changed since the benchmark was planned; run the same command"
                " again, and its rows are made anew"
            )
    return found


def versioned(methods: Sequence[str], sources: Iterable[Source]) -> list[str]:
    """Return ids for the hash of a chunk: of methods that are not ours, with their content."""
    content = {source.id: f" {source.content}" for source in sources}
    return [name + content.get(name, "") for name in methods]


def beyond(
    methods: Iterable[str], sources: Iterable[Source], metrics: Iterable[str]
) -> dict[str, str]:
    """Return which metrics some methods cannot serve, as ``metric of method``, and why."""
    found = {}
    asked = {text: known_metrics.parse(text).card.needs for text in metrics}
    for name, recipe in opened(methods, sources).items():
        lacks = recipe.origin.lacks
        for text, needs in asked.items():
            if needs & lacks.keys():
                found[f"{text} of {name}"] = lacks[min(needs & lacks.keys())]
    return found


def with_maps(recipe: BenchmarkRecipe, folders: Sequence[Path]) -> BenchmarkRecipe:
    """Return the recipe with folders of maps as further methods, on as many images as it has.

    Raises:
        SettingError: the recipe has a group of this name already.
    """
    if not folders:
        return recipe
    if MAPS in {group.name for group in recipe.methods}:
        raise SettingError(
            f"recipe {recipe.name!r} has methods named {MAPS!r} already; add the folders there:"
            f' --set methods.{MAPS}.use=["maps:DIR"]'
        )
    use = tuple(dict.fromkeys(f"maps:{folder}" for folder in folders))
    return replace(recipe, methods=(*recipe.methods, Group(MAPS, use, recipe.images)))
