"""The front door: one call from a model and pictures to attributions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regionwise.attribution.asked import (
    Explainable,
    LayerLike,
    MethodLike,
    Shown,
    as_inputs,
    as_layers,
    as_recipes,
    check_differentiable,
    check_layered,
    check_spatial,
)
from regionwise.attribution.fusion import check_fuse, fused
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.attribution.result import Attribution, flags_of
from regionwise.errors import SettingError
from regionwise.evidence.accelerating import Accelerate
from regionwise.evidence.engine import Precision
from regionwise.evidence.needs import GRADIENTS, INPUT_GRADIENTS
from regionwise.evidence.probe import Probe
from regionwise.evidence.targets import TargetSpec, class_name
from regionwise.models.adapters import chances
from regionwise.models.classifier import Classifier
from regionwise.models.grids import unstacked
from regionwise.shapes import GridMaps
from regionwise.zoo import load_model


def explain(  # noqa: PLR0913 - one parameter for each choice
    model: nn.Module | Classifier | str,
    inputs: Explainable,
    method: MethodLike = "grad-cam",
    targets: TargetSpec = None,
    layer: LayerLike | Sequence[LayerLike] | None = None,
    *,
    fuse: str = "mean",
    create_graph: bool = False,
    precision: Precision | None = None,
    accelerate: Accelerate | None = None,
) -> Attribution:
    """Explain a prediction with one method.

    Args:
        model: a module, a loaded classifier, or what :func:`regionwise.load_model` takes.
        inputs: what the model sees, n c h w, or volumes n c d h w; or pictures (PIL images or
            paths) for a model that knows its preprocessing.
        method: ``"grad-cam"``, ``"score-cam++:activation=mish"``, or a recipe.
        targets: what to explain, the top-1 class by default; see
            :mod:`regionwise.evidence.targets`.
        layer: name or module; the last spatial map by default. Several are fused into one map.
        fuse: how, ``mean``, ``max`` or ``scaled-max``: see
            :func:`regionwise.attribution.fusion.fuse_maps`. Each layer costs the method once.
        create_graph: keep the map differentiable by the model's parameters, and by inputs that
            require gradients, for a loss on the map. The model then runs in the mode it is in:
            in training mode dropout drops, and batch statistics and the random state move on, as
            in any forward pass of yours; there is one for each layer and each noisy copy.
        precision: in which numbers the network runs in front of the layer: ``"bfloat16"`` or
            ``"float16"`` for speed; from the layer on, with its gradients and the method's formula,
            everything is in single precision. ``None`` for the dtype of the weights. A network
            that refuses it runs in single precision, and ``Attribution.notes`` says so.
        accelerate: ``"compile"`` or ``"cuda-graphs"`` prepare the passes of masked images; where
            that does not work they run as ever, and the notes say why.

    Raises:
        RegionwiseError: see :mod:`regionwise.errors`.
    """
    found = explain_all(
        model,
        inputs,
        [method],
        targets,
        layer,
        fuse=fuse,
        create_graph=create_graph,
        precision=precision,
        accelerate=accelerate,
    )
    return next(iter(found.values()))


def explain_all(  # noqa: PLR0913 - one parameter for each choice
    model: nn.Module | Classifier | str,
    inputs: Explainable,
    methods: Sequence[MethodLike],
    targets: TargetSpec = None,
    layer: LayerLike | Sequence[LayerLike] | None = None,
    *,
    fuse: str = "mean",
    create_graph: bool = False,
    precision: Precision | None = None,
    accelerate: Accelerate | None = None,
) -> dict[str, Attribution]:
    """Explain a prediction with several methods, gathering their evidence once.

    Arguments as for :func:`explain`. Returns attributions by canonical method id, in the order in
    which the methods were given.
    """
    recipes, layers = as_recipes(methods), as_layers(layer)
    check_fuse(fuse)
    if len(layers) > 1:
        check_layered(recipes)
    if create_graph:
        check_differentiable(recipes)
    classifier = load_model(model)
    fed, shown = as_inputs(classifier, inputs, keep_graph=create_graph)
    check_spatial(recipes, fed)
    needs = frozenset[str]().union(*(recipe.needs for recipe in recipes.values()))
    by_layer = []
    for one in layers:
        with Probe(
            classifier.module,
            fed,
            targets,
            one if one is not None else classifier.layer,
            needs=needs,
            class_names=classifier.class_names,
            create_graph=create_graph,
            precision=precision,
            accelerate=accelerate,
        ) as probe:
            targets = probe.targets.spec
            by_layer.append(_answers(probe, recipes, classifier, shown))
    if len(layers) == 1:
        return by_layer[0]
    return {name: fused([answers[name] for answers in by_layer], fuse) for name in recipes}


def _answers(
    probe: Probe, recipes: dict[str, Recipe], classifier: Classifier, shown: Shown | None
) -> dict[str, Attribution]:
    top = _top(probe, classifier)
    return {
        name: _attribution(recipe, recipe(probe), probe, (top, shown))
        for name, recipe in recipes.items()
    }


def _top(probe: Probe, classifier: Classifier) -> tuple[tuple[str, float], ...]:
    link = probe.targets.link
    best = chances(probe.logits.detach(), link).max(dim=1)
    values = torch.full_like(best.values, torch.nan) if link == "identity" else best.values
    return tuple(
        (class_name(index, classifier.class_names), probability)
        for index, probability in zip(best.indices.tolist(), values.tolist(), strict=True)
    )


def _attribution(
    recipe: Recipe,
    raw: RawMaps,
    probe: Probe,
    shown: tuple[tuple[tuple[str, float], ...], Shown | None],
) -> Attribution:
    maps = torch.nan_to_num(raw.maps, nan=0.0, posinf=0.0, neginf=0.0)
    if not probe.create_graph:
        maps = maps.detach()
    elif not maps.requires_grad:
        raise SettingError(
            f"the map of {recipe.id!r} depends on nothing that requires gradients"
            " (create_graph=True): let the weights that it uses require them, or the inputs"
        )
    return Attribution(
        method=recipe.id,
        maps=_in_space(maps, probe),
        targets=probe.targets.indices,
        target_names=probe.targets.names,
        scores=probe.scores,
        probabilities=probe.probabilities,
        layer=probe.layer,
        size=_size(probe),
        flags=flags_of(raw.maps, gradients=_gradients(recipe, probe)),
        top=shown[0],
        details=raw.details,
        images=shown[1],
        # of a class against another, exact contributions are subtracted cell by cell
        signed=recipe.signed or (recipe.exact and probe.targets.pair is not None),
        exact=recipe.exact and probe.targets.pair is None,
        uses_layer=recipe.card.uses_layer,
        notes=tuple(probe.engine.notes),
    )


def _gradients(recipe: Recipe, probe: Probe) -> Tensor | None:
    if GRADIENTS in recipe.needs:
        return probe.gradients.detach()
    return probe.input_gradients.detach() if INPUT_GRADIENTS in recipe.needs else None


def _size(probe: Probe) -> tuple[int, ...]:
    rows, columns = probe.size
    if probe.slices is None:
        return rows, columns
    return probe.slices, rows // probe.slices, columns


def _in_space(maps: Float[Tensor, "n t di j"], probe: Probe) -> GridMaps:
    """Take the slices of a volume apart, of the layer's grid or of the inputs."""
    slices = probe.slices if tuple(maps.shape[2:]) == probe.size else probe.grid.slices
    return maps if slices is None else unstacked(maps, slices)
