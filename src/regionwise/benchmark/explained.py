"""Pictures of a benchmark, explained again: rows hold numbers, a page wants maps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from regionwise.attribution.explain import explain_all
from regionwise.attribution.recipe import Recipe
from regionwise.attribution.result import Attribution
from regionwise.benchmark.context import Context
from regionwise.benchmark.foreign import Source, opened
from regionwise.benchmark.loaded import preprocessing_of
from regionwise.benchmark.named_code import check_code
from regionwise.benchmark.recipe import OWN
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.benchmark.segments import with_segments
from regionwise.data.images import open_image
from regionwise.errors import DataError, InputError, RegionwiseError
from regionwise.evidence.remembering import remembering
from regionwise.models.classifier import Classifier

SECOND = "second_maps"
"""What a method lacks that can explain one class only; see its origin."""


@dataclass(frozen=True, eq=False)
class Explained:
    """One picture, explained by the methods of a model for two classes.

    Attributes:
        image: the picture's name.
        model: what explained it.
        classes: the explained classes, as the model counts them.
        label: the true class, as the model counts them; ``None`` where it has others.
        attributions: by method, of this picture alone; of one class where a method can no more.
        failed: methods that could not, and why.
    """

    image: str
    model: str
    classes: tuple[int, int]
    label: int | None
    attributions: Mapping[str, Attribution]
    failed: Mapping[str, str] = field(default_factory=dict)


def context_of(plan: Mapping[str, Any], device: str) -> Context:
    """Return data and models of a benchmark that was made.

    Raises:
        DataError: the data is gone, or is not what was benchmarked any more.
        SettingError: the plan names code in a file that the user did not name.
    """
    check_code(plan, "this benchmark's plan")
    given = plan["data"].get("segments")
    data = read_benchmark_data(plan["data"]["source"])
    data = with_segments(data, Path(given) if given else None)
    if data.fingerprint() != plan["data"]["fingerprint"]:
        raise DataError(
            f"{data.source!r} is not what was benchmarked any more; --gallery 0 does without it"
        )
    return Context(data, plan["recipe"]["seed"], device=device)


def recipes_of(plan: Mapping[str, Any], model: str) -> tuple[dict[str, Recipe], dict[str, str]]:
    """Return the methods of a model by id, and those that cannot be had any more with the reason.

    A method that is not ours may be gone, or another one by now.
    """
    used = next(one for one in plan["models"] if one["source"] == model)
    sources = [Source(**source) for source in used.get("sources", ())]
    found: dict[str, Recipe] = {}
    missing: dict[str, str] = {}
    for name in (name for names in used["methods"].values() for name in names):
        try:
            found |= opened([name], sources)
        except RegionwiseError as error:
            missing[name] = _line(error)
    return found, missing


def explained(
    context: Context, model: str, recipes: Mapping[str, Recipe], image: str, against: int = -1
) -> Explained:
    """Explain a picture: the predicted class and the label, or the runner-up if they are the same.

    With ``against`` (a class of the data) the label, and that class. What fails is left out, and
    it is said why.

    Raises:
        RegionwiseError: the picture cannot be read, or the model has other classes than the data.
    """
    picture = context.data.picture(image)
    seen = open_image(picture.path)
    inputs = preprocessing_of(context, model)(seen)
    logits = context.judge(OWN, model).logits(inputs.to(context.device))[0]
    known = context.classes(model, len(logits))
    label = None if known is None else known[picture.label]
    if against < 0:
        classes = _classes(logits, label)
    elif known is None or label is None:
        raise InputError(f"{model!r} has other classes than the data, so no pairs of them")
    else:
        classes = (label, known[against])
    with remembering(context.memory(model)):
        asked = _Asked(context.model(model), seen, image, classes)
        found, failed = _tried(recipes, asked)
    return Explained(image, model, classes, label, found, failed)


@dataclass(frozen=True, eq=False)
class _Asked:
    """What is to be explained."""

    classifier: Classifier
    picture: Image.Image
    name: str
    classes: tuple[int, int]

    def by(self, recipes: Mapping[str, Recipe]) -> dict[str, Attribution]:
        """Explain both classes, or the first alone if a method can no more."""
        two = all(SECOND not in recipe.origin.lacks for recipe in recipes.values())
        targets = [list(self.classes if two else self.classes[:1])]
        methods = [recipe.about([self.name]) for recipe in recipes.values()]
        return explain_all(self.classifier, [self.picture], methods, targets)


def _tried(
    recipes: Mapping[str, Recipe], asked: _Asked
) -> tuple[dict[str, Attribution], dict[str, str]]:
    """Explain by our methods together, or, if one fails, by each alone; by others' each alone."""
    ours = {name: recipe for name, recipe in recipes.items() if not recipe.origin.text}
    found: dict[str, Attribution] = {}
    failed: dict[str, str] = {}
    with suppress(RegionwiseError):  # each alone will tell which one it was
        found |= asked.by(ours) if ours else {}
    for name, recipe in recipes.items():
        try:
            found |= {} if name in found else asked.by({name: recipe})
        except RegionwiseError as error:
            failed[name] = _line(error)
    return {name: found[name] for name in recipes if name in found}, failed


def _classes(logits: torch.Tensor, label: int | None) -> tuple[int, int]:
    best = logits.topk(min(2, len(logits))).indices.tolist()
    second = label if label is not None and label != best[0] else best[-1]
    return best[0], second


def _line(error: RegionwiseError) -> str:
    return re.sub(r"\s+", " ", str(error))
