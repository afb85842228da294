"""From a recipe to a plan: what applies to these models and this data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from regionwise.attribution.asked import as_recipes
from regionwise.attribution.explain import explain
from regionwise.attribution.recipe import Recipe
from regionwise.benchmark.context import Context
from regionwise.benchmark.digests import digest
from regionwise.benchmark.foreign import AGAIN, Source, beyond, sources_of
from regionwise.benchmark.loaded import open_units
from regionwise.benchmark.plan import (
    Chunk,
    Plan,
    Unit,
    Used,
    chunks_of,
    protocol_of,
    salt_of,
    targets_of,
    units_of,
)
from regionwise.benchmark.recipe import OWN, BenchmarkRecipe, matched_to
from regionwise.benchmark.seeds import given_models
from regionwise.errors import InputError, RegionwiseError, SettingError
from regionwise.evidence.needs import JOINT, POOLED_HEAD, TAIL
from regionwise.metrics.case import PARTS
from regionwise.metrics.catalog import metrics as known_metrics
from regionwise.shapes import Inputs

_ALWAYS: Final = frozenset(
    {"judge", "maps", "again", "second", "second_maps", "second_targets", "model", "on_model"}
)
_OF_DATA: Final = frozenset({"regions", "boxes", "parts", "edited", "segments"})
_PICKY: Final = frozenset({JOINT, POOLED_HEAD, TAIL})


def prepare(recipe: BenchmarkRecipe, context: Context) -> Plan:
    """Decide what is done, before anything is.

    Methods that do not fit a model, and metrics that the data cannot serve, are left out, and it is
    said why.

    Raises:
        RegionwiseError: a model cannot be loaded, a name or setting does not exist, or nothing is
            left.
    """
    data = context.data
    units = {}
    left_out: dict[str, str] = {}
    for target in targets_of(recipe):
        try:
            units[target] = units_of(data, target, context.seed)
        except SettingError as error:
            left_out |= {text: str(error) for text in _asking(recipe, target)}
    models = tuple(_used(recipe, source, context) for source in recipe.models)
    _check_different(models)
    labelled = all(context.classes(source, _outputs(used)) for source, used in _zipped(models))
    metrics = _metrics(recipe, context, left_out, labelled=labelled)
    left_out |= _beyond(models, metrics)
    judges = {j: context.judge_hash(j) for j in recipe.judges if j != OWN}
    for source in recipe.models:
        for judge in judges:
            context.judge(judge, source)
    about = {
        "source": data.source,
        "split": data.split,
        "pictures": len(data.pictures),
        "fingerprint": data.fingerprint(),
    }
    if data.segments:
        about["segments"] = data.segments
    chunks = chunks_of(recipe, models, metrics, units, salt_of(recipe, about, judges))
    if not chunks:
        reasons = [*left_out.items(), *(item for used in models for item in used.left_out.items())]
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons[:3])
        raise SettingError(f"nothing of recipe {recipe.name!r} applies here ({why})")
    return Plan(recipe, about, models, metrics, left_out, judges, chunks)


def protocols_of(plan: Plan) -> dict[str, Any]:
    """Return the fields behind each protocol id of a plan's rows."""
    found = {}
    for judge in plan.recipe.judges:
        if matched_to(judge) is not None:
            how = {used.source: used.record["matched"][judge] for used in plan.models}
            found[f"judge {judge}"] = {"logits": "divided by the temperature", "of": how}
    for group in plan.recipe.metrics:
        for text in plan.metrics.get(group.name, ()):
            target = group.target or plan.recipe.target
            fields = protocol_of(known_metrics.parse(text), target)
            found[digest(fields, 8)] = fields
    return found


def _check_different(models: tuple[Used, ...]) -> None:
    by_hash: dict[str, str] = {}
    for used in models:
        if used.hash in by_hash:
            raise SettingError(
                f"{by_hash[used.hash]!r} and {used.source!r} are the same model; leave one out"
            )
        by_hash[used.hash] = used.source


def _asking(recipe: BenchmarkRecipe, target: str) -> list[str]:
    return [text for g in recipe.metrics if (g.target or recipe.target) == target for text in g.use]


def _zipped(models: tuple[Used, ...]) -> list[tuple[str, Used]]:
    return [(used.source, used) for used in models]


def _outputs(used: Used) -> int:
    return int(used.record["outputs"])


def _used(recipe: BenchmarkRecipe, source: str, context: Context) -> Used:
    """Try what is picky about networks on one picture."""
    classifier = context.model(source)
    inputs = _first(source, context)
    outputs = context.judge(OWN, source).logits(inputs).shape[1]
    left_out: dict[str, str] = {}
    fitting: dict[str, tuple[str, ...]] = {}
    sources: tuple[Source, ...] = ()
    for group in recipe.groups_of(source):
        recipes = as_recipes(list(group.use))
        twice = sorted(set(recipes) & {name for names in fitting.values() for name in names})
        if twice:
            raise SettingError(f"method {twice[0]!r} is in two groups; leave it in one")
        for name, method in recipes.items():
            reason = _refusal(method, context, source, inputs)
            if reason:
                left_out[name] = reason
        fitting[group.name] = tuple(name for name in recipes if name not in left_out)
        sources += sources_of(recipes)
    record = {**classifier.describe(), "outputs": outputs}
    matched = [judge for judge in recipe.judges if matched_to(judge) is not None]
    if matched:
        record["matched"] = {judge: asdict(context.matched(judge, source)) for judge in matched}
    return Used(source, context.hash(source), fitting, left_out, record, sources)


def _beyond(models: tuple[Used, ...], metrics: dict[str, tuple[str, ...]]) -> dict[str, str]:
    """Return what metrics cannot be asked of what methods, and why."""
    asked = [text for texts in metrics.values() for text in texts]
    found: dict[str, str] = {}
    for used in models:
        methods = [name for names in used.methods.values() for name in names]
        found |= beyond(methods, used.sources, asked)
    return found


def _first(source: str, context: Context) -> Inputs:
    """Return the first picture that can be read, as the model sees it."""
    reasons: list[tuple[Unit, str]] = []
    for picture in context.data.pictures[:20]:
        probe = Chunk("", source, "", "predicted", (), (), (Unit(picture.name),))
        opened, failed = open_units(probe, context)
        if opened:
            return opened[0].inputs[None]
        reasons += failed
    raise InputError(f"none of the first pictures can be used: {reasons[0][1]}")


def _refusal(method: Recipe, context: Context, source: str, inputs: Inputs) -> str:
    """Return why a method does not fit a network; tried are those that may not, and not ours."""
    tried = method.origin.content or method.needs & _PICKY
    if not tried or AGAIN in method.origin.lacks:
        return ""
    try:
        explain(context.model(source), inputs, method)
    except RegionwiseError as error:
        return re.sub(r"\s+", " ", str(error))
    return ""


def _metrics(
    recipe: BenchmarkRecipe, context: Context, left_out: dict[str, str], *, labelled: bool
) -> dict[str, tuple[str, ...]]:
    """Return the canonical ids by group of those that can be served; note the others."""
    has = {**dict.fromkeys(_ALWAYS, True), "labels": labelled}
    has |= {name: name in context.data.knows() for name in _OF_DATA}
    found = {}
    for group in recipe.metrics:
        target = group.target or recipe.target
        kept = []
        for text in group.use:
            metric = known_metrics.parse(text)
            reason = left_out.get(text) or _lack(metric.card.needs, has, target)
            if not reason:
                kept.append(metric.id)
            else:
                left_out[text] = reason
        found[group.name] = tuple(dict.fromkeys(kept))
    return found


def _lack(needs: frozenset[str], has: Mapping[str, bool], target: str) -> str:
    """Return what is missing, in words; nothing if all is there."""
    wanted = needs | ({"labels"} if target != "predicted" else set())
    wanted -= {"regions"} if target == "pairs" else set()
    missing = sorted(name for name in wanted if not has.get(name, False))
    return "" if not missing else "the data has no " + ", nor ".join(PARTS[m] for m in missing)


def with_models(
    recipe: BenchmarkRecipe, models: tuple[str, ...], limit: int | None
) -> BenchmarkRecipe:
    """Return the recipe for other models, if any are given, and with at most ``limit`` images.

    ``NAME=RUN1,RUN2`` are networks trained alike with other seeds.
    """
    if models:
        given, groups = given_models(models)
        changed = replace(recipe, models=given, seeds=groups)
    else:
        changed = recipe
    return changed if limit is None else changed.limited(limit)
