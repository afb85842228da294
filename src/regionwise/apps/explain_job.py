"""What stays the same for all images that are explained, and explaining some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final, cast

import torch
from PIL import Image

from regionwise.apps.collect import NamedImage
from regionwise.apps.request import ExplainRequest
from regionwise.attribution.asked import as_recipe, as_recipes
from regionwise.attribution.explain import explain_all
from regionwise.attribution.foreign_names import apart
from regionwise.attribution.recipe import Recipe
from regionwise.benchmark.digests import digest
from regionwise.errors import ModelError, RegionwiseError
from regionwise.evidence.accelerating import Accelerate, check_acceleration
from regionwise.evidence.engine import Precision, check_precision
from regionwise.evidence.targets import TargetSpec, Versus
from regionwise.models.classifier import Classifier
from regionwise.report.gallery import Explained, split_batch
from regionwise.zoo import load_model

_ELSEWHERE: Final = frozenset(
    {"images", "out", "overwrite", "resume", "device", "batch_size", "engine"}
)
"""Parts of a request that decide no map."""


@dataclass(frozen=True, eq=False)
class Job:
    """What stays the same for all images."""

    request: ExplainRequest
    classifier: Classifier
    recipes: Mapping[str, Recipe]

    def identity(self) -> str:
        """Return a hash of all that decides a map but the image."""
        asked = {k: v for k, v in asdict(self.request).items() if k not in _ELSEWHERE}
        made_of = [(recipe.id, recipe.origin.content) for recipe in self.recipes.values()]
        return digest([asked, self.classifier.describe(), made_of])


def opened_job(request: ExplainRequest, device: str) -> Job:
    """Load what a request names.

    Raises:
        RegionwiseError: a method does not exist, or the model cannot be loaded.
    """
    check_precision(request.precision)
    check_acceleration(request.accelerate)
    recipes = as_recipes([with_seed(method, request.seed) for method in request.methods])
    return Job(request, load_model(request.model, weights=request.weights, device=device), recipes)


def with_seed(method: str, seed: int | None) -> str:
    """Add ``seed`` to a method that draws numbers, unless its text has one of its own."""
    name, settings = apart(method)
    if seed is None or "seed" not in as_recipe(name).settings:
        return method
    given = [item for item in settings.split(",") if item]
    if any(item.startswith("seed=") for item in given):
        return method
    return f"{name}:{','.join([*given, f'seed={seed}'])}"


def explain_batch(
    job: Job, opened: Sequence[tuple[NamedImage, Image.Image]]
) -> list[tuple[NamedImage, Explained | RegionwiseError]]:
    """Explain images that are open, all at once.

    Raises:
        RegionwiseError: one of them, or none, can be explained this way.
    """
    request = job.request
    pictures = [picture for _, picture in opened]
    try:
        attributions = explain_all(
            job.classifier,
            pictures,
            list(job.recipes.values()),
            _targets(request),
            list(request.layers) or None,
            fuse=request.fuse,
            precision=cast("Precision | None", request.precision),
            accelerate=cast("Accelerate | None", request.accelerate),
        )
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{len(opened)} images at a time do not fit into the memory of {request.device!r};"
            " lower --batch-size, or give the method a smaller chunk (score-cam:chunk=8)"
        ) from error
    return [
        (image, explained)
        for (image, _), explained in zip(opened, split_batch(attributions), strict=True)
    ]


def explain_isolated(
    job: Job, opened: Sequence[tuple[NamedImage, Image.Image]]
) -> list[tuple[NamedImage, Explained | RegionwiseError]]:
    """Explain a batch; if it fails, one by one, so that an image fails for itself alone."""
    try:
        return explain_batch(job, opened)
    except RegionwiseError as error:
        if len(opened) == 1:
            return [(opened[0][0], error)]
    return [result for one in opened for result in explain_isolated(job, [one])]


def _targets(request: ExplainRequest) -> TargetSpec:
    return request.target if request.against is None else Versus(request.target, request.against)
