"""The front door: one call from a model and pictures to attributions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from PIL import Image
from torch import Tensor, nn

from regionwise.attribution.catalog import methods as known_methods
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.attribution.result import Attribution, flags_of
from regionwise.data.images import open_image
from regionwise.errors import InputError, SettingError
from regionwise.evidence.checks import check_inputs
from regionwise.evidence.needs import GRADIENTS, INPUT_GRADIENTS
from regionwise.evidence.probe import Probe
from regionwise.evidence.targets import TargetSpec, class_name
from regionwise.models.adapters import chances
from regionwise.models.classifier import Classifier
from regionwise.shapes import Images, Inputs
from regionwise.zoo import load_model

Picture: TypeAlias = str | Path | Image.Image
Explainable: TypeAlias = Tensor | Picture | Sequence[Picture]
MethodLike: TypeAlias = str | Recipe


def explain(
    model: nn.Module | Classifier | str,
    inputs: Explainable,
    method: MethodLike = "grad-cam",
    targets: TargetSpec = None,
    layer: str | nn.Module | None = None,
) -> Attribution:
    """Explain a prediction with one method.

    Args:
        model: a module, a loaded classifier, or what :func:`regionwise.load_model` takes.
        inputs: what the model sees, n c h w; or pictures (PIL images or paths) for a model that
            knows its preprocessing.
        method: ``"grad-cam"``, ``"score-cam++:activation=mish"``, or a recipe.
        targets: what to explain, the top-1 class by default; see
            :mod:`regionwise.evidence.targets`.
        layer: name or module; the last spatial map by default.

    Raises:
        RegionwiseError: see :mod:`regionwise.errors`.
    """
    found = explain_all(model, inputs, [method], targets, layer)
    return next(iter(found.values()))


def explain_all(
    model: nn.Module | Classifier | str,
    inputs: Explainable,
    methods: Sequence[MethodLike],
    targets: TargetSpec = None,
    layer: str | nn.Module | None = None,
) -> dict[str, Attribution]:
    """Explain a prediction with several methods, gathering their evidence once.

    Arguments as for :func:`explain`. Returns attributions by canonical method id, in the order in
    which the methods were given.
    """
    recipes = as_recipes(methods)
    classifier = load_model(model)
    fed, shown = as_inputs(classifier, inputs)
    needs = frozenset[str]().union(*(recipe.needs for recipe in recipes.values()))
    with Probe(
        classifier.module,
        fed,
        targets,
        layer if layer is not None else classifier.layer,
        needs=needs,
        class_names=classifier.class_names,
    ) as probe:
        top = _top(probe, classifier)
        return {
            name: _attribution(recipe, recipe(probe), probe, (top, shown))
            for name, recipe in recipes.items()
        }


def as_recipes(methods: Sequence[MethodLike]) -> dict[str, Recipe]:
    """Return recipes by canonical id.

    Raises:
        SettingError: no method, an unknown one, or one with a setting that does not exist.
    """
    if isinstance(methods, str) or not isinstance(methods, Sequence):
        raise SettingError(f"methods must be a list of names or recipes, not {methods!r}")
    if not methods:
        raise SettingError("no method was given; `regionwise methods` lists them")
    recipes: dict[str, Recipe] = {}
    for method in methods:
        recipe = known_methods.parse(method) if isinstance(method, str) else method
        if not isinstance(recipe, Recipe):
            raise SettingError(f"a method cannot be {method!r}; give a name or a recipe")
        recipes.setdefault(recipe.id, recipe)
    return recipes


def as_inputs(classifier: Classifier, inputs: Any) -> tuple[Inputs, Images | None]:
    """Return what the model sees, and the same as RGB in [0, 1] where that is known.

    Raises:
        InputError: pictures for a model without preprocessing, or something that is neither.
        ImageError: a picture that cannot be read.
    """
    how = classifier.preprocessing
    if isinstance(inputs, Tensor):
        inputs = check_inputs(inputs)
        shown = how.denormalize(inputs) if how is not None and _fits(inputs) else None
        if shown is None and _fits(inputs) and 0 <= float(inputs.min()) <= float(inputs.max()) <= 1:
            shown = inputs
        return inputs, shown
    alone = isinstance(inputs, str | Path | Image.Image)
    pictures = [inputs] if alone else list(inputs) if isinstance(inputs, Iterable) else [inputs]
    if not all(isinstance(p, str | Path | Image.Image) for p in pictures):
        raise InputError("inputs must be a tensor (n, c, h, w), pictures, or paths of pictures")
    if how is None:
        raise InputError(
            "this model brings no preprocessing, so pictures cannot be turned into its inputs;"
            " give a tensor (n, c, h, w), or a regionwise.Classifier(module, Preprocessing(...))"
            " - a factory in a file may return one"
        )
    opened = [p if isinstance(p, Image.Image) else open_image(Path(p)) for p in pictures]
    fed = how(opened)
    return fed, how.denormalize(fed)


def _fits(inputs: Tensor) -> bool:
    return inputs.shape[1] == 3


def _top(probe: Probe, classifier: Classifier) -> tuple[tuple[str, float], ...]:
    link = probe.targets.link
    best = chances(probe.logits, link).max(dim=1)
    values = torch.full_like(best.values, torch.nan) if link == "identity" else best.values
    return tuple(
        (class_name(index, classifier.class_names), probability)
        for index, probability in zip(best.indices.tolist(), values.tolist(), strict=True)
    )


def _attribution(
    recipe: Recipe,
    raw: RawMaps,
    probe: Probe,
    shown: tuple[tuple[tuple[str, float], ...], Images | None],
) -> Attribution:
    gradients = None
    if GRADIENTS in recipe.needs:
        gradients = probe.gradients
    elif INPUT_GRADIENTS in recipe.needs:
        gradients = probe.input_gradients
    flags = flags_of(raw.maps, gradients=gradients)
    return Attribution(
        method=recipe.id,
        maps=torch.nan_to_num(raw.maps, nan=0.0, posinf=0.0, neginf=0.0),
        targets=probe.targets.indices,
        target_names=probe.targets.names,
        scores=probe.scores,
        probabilities=probe.probabilities,
        layer=probe.layer,
        size=probe.size,
        flags=flags,
        top=shown[0],
        details=raw.details,
        images=shown[1],
    )
