"""What was asked: methods, inputs and layers as the user gave them, checked at the door."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from jaxtyping import Float
from PIL import Image
from torch import Tensor, nn

from regionwise.attribution.captum_methods import open_captum
from regionwise.attribution.catalog import methods as known_methods
from regionwise.attribution.foreign import Foreign
from regionwise.attribution.foreign_file import open_file
from regionwise.attribution.foreign_maps import open_maps
from regionwise.attribution.foreign_names import ForeignName, foreign_name
from regionwise.attribution.recipe import Recipe
from regionwise.data.images import open_image
from regionwise.errors import InputError, LayerError, SettingError
from regionwise.evidence.checks import check_inputs
from regionwise.evidence.needs import DIRECT
from regionwise.models.classifier import Classifier
from regionwise.models.grids import stacked, unstacked
from regionwise.models.preprocessing import Preprocessing
from regionwise.shapes import Fed

Picture: TypeAlias = str | Path | Image.Image
Explainable: TypeAlias = Tensor | Picture | Sequence[Picture]
MethodLike: TypeAlias = str | Recipe
LayerLike: TypeAlias = str | nn.Module
Shown: TypeAlias = Float[Tensor, "n c *s h w"]

_FOREIGN: Final[dict[str, Callable[[ForeignName], Foreign]]] = {
    "file": open_file,
    "captum": open_captum,
    "maps": open_maps,
}


def as_recipe(method: MethodLike) -> Recipe:
    """Return the recipe of a method: one of ours by name, another's, or one that is made already.

    Raises:
        SettingError: an unknown name, or a setting that does not exist.
        ModelError: the user's own code fails.
    """
    if not isinstance(method, str):
        if not isinstance(method, Recipe):
            raise SettingError(f"a method cannot be {method!r}; give a name or a recipe")
        return method
    foreign = foreign_name(method)
    recipe: Recipe = (
        known_methods.parse(method) if foreign is None else _FOREIGN[foreign.kind](foreign)
    )
    return recipe


def as_recipes(methods: Sequence[MethodLike]) -> dict[str, Recipe]:
    """Return recipes by canonical id.

    Raises:
        SettingError: no method, an unknown one, or one with a setting that does not exist; or two
            of one id from different places.
    """
    if isinstance(methods, str) or not isinstance(methods, Sequence):
        raise SettingError(f"methods must be a list of names or recipes, not {methods!r}")
    if not methods:
        raise SettingError("no method was given; `regionwise methods` lists them")
    recipes: dict[str, Recipe] = {}
    for method in methods:
        recipe = as_recipe(method)
        known = recipes.setdefault(recipe.id, recipe)
        if known.origin.place != recipe.origin.place:
            raise SettingError(
                f"{known.origin.text!r} and {recipe.origin.text!r} would both be called"
                f" {recipe.id!r}; rename one"
            )
    return recipes


def as_inputs(
    classifier: Classifier, inputs: Any, *, keep_graph: bool = False
) -> tuple[Fed, Shown | None]:
    """Return what the model sees, and the same as RGB in [0, 1] where that is known.

    Raises:
        InputError: pictures for a model without preprocessing, or something that is neither.
        ImageError: a picture that cannot be read.
    """
    how = classifier.preprocessing
    if isinstance(inputs, Tensor):
        return check_inputs(inputs, keep_graph=keep_graph), _shown(how, check_inputs(inputs))
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


def as_layers(layer: Any) -> list[LayerLike | None]:
    """Return the layers to explain; ``None`` is the default one.

    Raises:
        LayerError: an empty list.
    """
    if not isinstance(layer, list | tuple):
        return [layer]
    if not layer:
        raise LayerError("the list of layers is empty; name one, or leave it out for the default")
    return list(layer)


def check_layered(recipes: Mapping[str, Recipe]) -> None:
    """Refuse methods that have nothing to fuse: their maps are the same at every layer.

    Raises:
        SettingError: names them.
    """
    for recipe in recipes.values():
        if not recipe.card.uses_layer:
            raise SettingError(
                f"{recipe.card.name!r} does not use a layer, so there is nothing to fuse; ask for"
                " it without layers"
            )


def check_differentiable(recipes: Mapping[str, Recipe]) -> None:
    """Refuse methods whose maps have no graph, before anything runs.

    Raises:
        SettingError: names them, and those that have one.
    """
    for recipe in recipes.values():
        if not recipe.card.differentiable or recipe.needs - DIRECT:
            able = [c.name for c in known_methods.cards() if c.differentiable]
            able = [name for name in able if not known_methods.card(name).needs - DIRECT]
            raise SettingError(
                f"{recipe.card.name!r} gives no map that could be differentiated"
                f" (create_graph=True); these do: {', '.join(able)}"
            )


def check_spatial(recipes: Mapping[str, Recipe], inputs: Fed) -> None:
    """Refuse methods that need a plane, where the inputs are volumes.

    Raises:
        SettingError: names them, and those that take volumes.
    """
    for recipe in recipes.values() if inputs.dim() == 5 else ():
        if recipe.planar or recipe.needs - DIRECT:
            able = [c.name for c in known_methods.cards() if not c.planar and not c.needs - DIRECT]
            raise SettingError(
                f"{recipe.id!r} explains images (n, c, h, w), not volumes of shape"
                f" {tuple(inputs.shape)}; these take volumes: {', '.join(able)}"
            )


def _shown(how: Preprocessing | None, inputs: Fed) -> Shown | None:
    """Return RGB in [0, 1]: by the preprocessing, or as the inputs are if they lie there."""
    if inputs.dim() == 5:
        flat = _shown(how, stacked(inputs))
        return None if flat is None else unstacked(flat, inputs.shape[2])
    if inputs.shape[1] != 3:
        return None
    if how is not None:
        return how.denormalize(inputs)
    return inputs if 0 <= float(inputs.min()) <= float(inputs.max()) <= 1 else None
