"""The checks of an audit: each asks a registered metric about one map of one picture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any, Final, TypeVar

from torch import Tensor, nn

from regionwise.apps.audit_bench import Bench, curves_of
from regionwise.apps.methods_on import is_costly, likeness
from regionwise.attribution.explain import explain, explain_all
from regionwise.attribution.input_x_gradient import InputXGradient
from regionwise.attribution.integrated_gradients import IntegratedGradients
from regionwise.attribution.noise import noisy_copies, ranges
from regionwise.attribution.recipe import Recipe
from regionwise.attribution.result import Attribution
from regionwise.errors import RegionwiseError
from regionwise.evidence.needs import MASKED_SCORES
from regionwise.metrics.case import Case
from regionwise.metrics.catalog import metrics
from regionwise.metrics.recipe import Metric
from regionwise.metrics.sanity import similarity_of
from regionwise.metrics.similarity import spearman
from regionwise.report.audit_result import Checked, Curves, Grain, Noise, Redrawn, Total

NOISE: Final = 0.02
"""Deviation of the noise, as a share of the range of the inputs: 5 of 255 grey levels."""

ONCE_MORE: Final = frozenset({"score-cam", "score-cam++", "integrated-gradients"})
"""Costly methods that are run once more all the same: with all weights drawn anew."""

T = TypeVar("T")


def grain_of(recipe: Recipe) -> Grain:
    """Return which random orders a map is held against.

    Of ``pixels`` where neighbours may differ as they like: maps of the inputs that are not sums of
    masks. Scattered pixels spoil a picture sooner than patches do.
    """
    card = recipe.card
    return "cells" if card.uses_layer or MASKED_SCORES in card.needs else "pixels"


def claim_of(recipe: Recipe) -> str | None:
    """Return the completeness metric of what a map claims to add up to; ``None``: it claims none.

    Exact contributions add up to the probability, integrated gradients to the difference of the
    logit to that of the baseline, and input times gradient does where the network is linear.
    """
    if recipe.exact:
        return "completeness"
    if isinstance(recipe, InputXGradient):
        plain = recipe.reduce == "sum"
    elif isinstance(recipe, IntegratedGradients):
        settings = recipe.variant, recipe.reduce, recipe.baseline, recipe.blur
        plain = settings == ("paper", "sum", 0.0, 0.0)
    else:
        plain = False
    return "completeness:baseline=zeros,score=logit" if plain else None


def blank_of(attribution: Attribution) -> tuple[str, ...]:
    """Return why a map says nothing: of a signed one, to speak against only is no reason."""
    says = attribution.signed and bool(attribution.maps.min() < attribution.maps.max())
    reasons = attribution.flags[0][0]
    return tuple(r for r in reasons if not (says and r == "no positive evidence"))


def checked(
    bench: Bench, recipe: Recipe, attribution: Attribution, noisy: Mapping[str, tuple[float, ...]]
) -> Checked:
    """Return what the checks say of one map; of a blank one nothing is asked.

    What a check refuses is no reason to do without the others: ``missing`` says what it was.
    """
    card = recipe.card
    blank, control = blank_of(attribution), card.reference.startswith("control")
    if blank:
        return Checked(recipe.id, control, blank, grain_of(recipe))
    missing: dict[str, str] = {}

    def attempt(name: str, run: Callable[[Bench, Recipe, Attribution], T]) -> T | None:
        try:
            return run(bench, recipe, attribution)
        except RegionwiseError as error:
            missing[name] = " ".join(str(error).split())
            return None

    patches = attempt("patches", _patches)
    found = Checked(
        method=recipe.id,
        control=control,
        blank=(),
        grain=grain_of(recipe),
        curves=attempt("removal", _curves),
        total=attempt("adding up", total_of),
        patches=math.nan if patches is None else patches,
        missing=missing,
    )
    draws = sanity_of(bench, recipe)
    if draws:
        found = replace(found, redrawn=attempt("weights drawn anew", _redrawn))
    for name, runs in (("weights drawn anew", draws), ("noise", recipe.id in noisy)):
        if not runs:
            missing[name] = f"a map costs {card.passes}; a thorough audit runs it"
    return replace(found, noisy=noisy.get(recipe.id))


def sanity_of(bench: Bench, recipe: Recipe) -> tuple[Metric, ...]:
    """Return the randomisation checks that a method is put to: all, the quickest, or none."""
    if not too_costly(bench, recipe):
        return bench.sanity
    affordable = recipe.name in ONCE_MORE and bench.subject.channels <= bench.effort.masks
    return (metrics.parse(f"sanity-check:stages=1,seed={bench.seed}"),) if affordable else ()


def too_costly(bench: Bench, recipe: Recipe) -> bool:
    """Whether a method runs the network too often to explain again and again."""
    return is_costly(recipe.card) and not bench.effort.again


def total_of(bench: Bench, recipe: Recipe, attribution: Attribution) -> Total | None:
    """Return what a map adds up to, where its method claims that it adds up to something."""
    claim = claim_of(recipe)
    if claim is None:
        return None
    metric = metrics.parse(claim)
    found = metric(_with_maps(bench, attribution))
    value = float(attribution.maps[0, 0].double().sum())
    return Total(metric.id, value, float(found.values[0]), bool(found.extras["complete"][0]))


def under_noise(
    bench: Bench, recipes: Mapping[str, Recipe], maps: Mapping[str, Attribution]
) -> tuple[Noise, dict[str, tuple[float, ...]]]:
    """Explain noisy copies: how alike each map stays, and what becomes of the probability."""
    subject, effort = bench.subject, bench.effort
    asked = [recipe for recipe in recipes.values() if not too_costly(bench, recipe)]
    chances: list[float] = []
    similar: dict[str, list[float]] = {recipe.id: [] for recipe in asked}
    sigma = NOISE * ranges(subject.inputs)
    size = (subject.inputs.shape[2], subject.inputs.shape[3])
    for copy in noisy_copies(subject.inputs, sigma, samples=effort.copies, seed=bench.seed):
        logits = bench.judge.logits(copy)
        chances.append(float(bench.judge.scores(logits, subject.targets, "probability")[0]))
        others = explain_all(subject.classifier, copy, asked, subject.targets) if asked else {}
        for name, other in others.items():
            pair = maps[name].maps[:, 0], other.maps[:, 0]
            similar[name].append(float(similarity_of(*pair, "spearman", size=size)[0]))
    kept = {name: tuple(values) for name, values in similar.items()}
    return Noise(NOISE, tuple(chances)), kept


def agreement_of(maps: Mapping[str, Attribution]) -> tuple[tuple[float, ...], ...]:
    """Return the rank correlation of every two maps over the pixels of the input."""
    seen = [one.saliency()[:, 0] for one in maps.values()]
    return tuple(tuple(float(spearman(a, b)[0]) for b in seen) for a in seen)


def coinciding(maps: Mapping[str, Attribution]) -> tuple[tuple[str, str], ...]:
    """Return the pairs of methods whose maps are the same up to a factor, where positive."""
    raw = {name: one.maps for name, one in maps.items()}
    pairs = combinations(raw, 2)
    return tuple((a, b) for a, b in pairs if likeness(raw[a], raw[b]) is not None)


def _curves(bench: Bench, _: Recipe, attribution: Attribution) -> Curves:
    return curves_of(bench, attribution.saliency()[:, 0])


def _patches(bench: Bench, _: Recipe, attribution: Attribution) -> float:
    found: Any = bench.sensitivity(_with_maps(bench, attribution)).values
    return float(found[0])


def _redrawn(bench: Bench, recipe: Recipe, attribution: Attribution) -> Redrawn:
    classifier = bench.subject.classifier

    def on_model(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        other = replace(classifier, module=model)
        return explain(other, inputs, recipe, targets).maps[:, 0].detach()

    case = replace(_with_maps(bench, attribution), model=classifier.module, on_model=on_model)
    found = [metric(case) for metric in sanity_of(bench, recipe)]
    rows = [tuple(values.curves["similarity"][0].tolist()) for values in found]
    return Redrawn(found[0].levels, tuple(rows))


def _with_maps(bench: Bench, attribution: Attribution) -> Case:
    return replace(bench.case(attribution.saliency()[:, 0]), maps=attribution.maps[:, 0])


def protocols_of(bench: Bench, recipes: Mapping[str, Recipe]) -> tuple[str, ...]:
    """Return the ids of all metrics that an audit by these methods asks."""
    claims = [claim_of(recipe) for recipe in recipes.values()]
    if bench.subject.head in {"cape", "calm"}:
        claims.append("completeness")
    sanity = [metric for recipe in recipes.values() for metric in sanity_of(bench, recipe)]
    ids = [metrics.parse(claim).id for claim in claims if claim is not None]
    asked = (*bench.removal, bench.sensitivity, *sanity)
    return tuple(dict.fromkeys([*ids, *(metric.id for metric in asked)]))
