"""What stays the same for all images that are explained, and explaining some of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final, cast

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
from regionwise.evidence.room import Room, out_of_memory
from regionwise.evidence.targets import TargetSpec, Versus
from regionwise.models.classifier import Classifier
from regionwise.report.gallery import Explained, split_batch
from regionwise.report.shards import Form, check_format
from regionwise.zoo import load_model

_ELSEWHERE: Final = frozenset(
    {"images", "out", "overwrite", "resume", "device", "batch_size", "engine"}
)
"""Parts of a request that decide no map."""


@dataclass(frozen=True, eq=False)
class Job:
    """What stays the same for all images, and how many of them fit into memory together."""

    request: ExplainRequest
    classifier: Classifier
    recipes: Mapping[str, Recipe]
    room: Room = field(default_factory=Room)

    @property
    def form(self) -> Form:
        """How results are kept."""
        return Form(self.request.format, self.request.pictures)

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
    check_format(request.format)
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
    """Explain images that are open, all at once, or as many as memory suffices for.

    Raises:
        RegionwiseError: one of them, or none, can be explained this way.
    """
    try:
        parts = job.room.over(len(opened), lambda part: _explained(job, opened[part]))
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise ModelError(
            f"not even one image fits into the memory of {job.request.device!r}; try --precision"
            " bfloat16, another --device, or fewer masks at a time (score-cam:chunk=2)"
        ) from error
    return [one for part in parts for one in part]


def _explained(
    job: Job, opened: Sequence[tuple[NamedImage, Image.Image]]
) -> list[tuple[NamedImage, Explained | RegionwiseError]]:
    request = job.request
    attributions = explain_all(
        job.classifier,
        [picture for _, picture in opened],
        list(job.recipes.values()),
        _targets(request),
        list(request.layers) or None,
        fuse=request.fuse,
        precision=cast("Precision | None", request.precision),
        accelerate=cast("Accelerate | None", request.accelerate),
    )
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
