"""The work behind ``regionwise explain``: images through the model, results into the folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from PIL import Image

from regionwise.apps.collect import (
    MANIFEST,
    SHEET,
    Failure,
    NamedImage,
    collect_images,
    readable,
)
from regionwise.apps.progress import OpenProgress, Progress
from regionwise.apps.request import ExplainRequest
from regionwise.attribution.asked import as_recipe, as_recipes
from regionwise.attribution.explain import explain_all
from regionwise.attribution.foreign_names import apart
from regionwise.attribution.recipe import Recipe
from regionwise.data.images import open_image
from regionwise.errors import ImageError, ModelError, RegionwiseError
from regionwise.evidence.engine import Precision, check_precision
from regionwise.evidence.targets import TargetSpec, Versus
from regionwise.files import write_json
from regionwise.models.classifier import Classifier
from regionwise.pictures.encoding import encode_png
from regionwise.pictures.sheet import Row, contact_sheet
from regionwise.report.gallery import Explained, image_files, sheet_rows, split_batch
from regionwise.report.manifest import image_record, method_record, versions
from regionwise.report.writing import check_folder, remove_stale, write_together
from regionwise.zoo import load_model

SHEET_IMAGES = 12
"""More would make a sheet that nobody scrolls through; the folders hold them all."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: a line for people, and what could not be explained."""

    summary: str
    failed: tuple[Failure, ...]


@dataclass(frozen=True)
class _Job:
    """What stays the same for all images."""

    request: ExplainRequest
    classifier: Classifier
    recipes: Mapping[str, Recipe]


@dataclass(frozen=True)
class _Done:
    """What has been gathered so far; ``alone``: there is one image only."""

    alone: bool
    records: list[dict[str, Any]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    layers: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def explain_images(request: ExplainRequest, open_progress: OpenProgress) -> Outcome:
    """Explain all images of ``request`` and write the results; the manifest comes last.

    Raises:
        RegionwiseError: the request cannot be met, or no image could be explained; nothing has
            been written then, unless an image before went well.
    """
    check_folder(request.out, overwrite=request.overwrite)
    found, missing = collect_images(request.images, request.out)
    if not found:
        raise _nothing_explained(missing)
    check_precision(request.precision)
    recipes = as_recipes([with_seed(method, request.seed) for method in request.methods])
    classifier = load_model(request.model, weights=request.weights, device=request.device)
    job, done = _Job(request, classifier, recipes), _Done(alone=len(found) + len(missing) == 1)
    with open_progress(len(found)) as progress:
        for failure in missing:
            _note_failure(failure, done, progress)
        for image, result in _explain_found(job, found):
            if isinstance(result, Explained):
                _keep(job, done, image, result)
            else:
                _note_failure(Failure(readable(str(image.path)), str(result)), done, progress)
            progress.advance(1)
    if not done.records:
        raise _nothing_explained(done.failed)
    _finish(job, done)
    return Outcome(_summary(job, done), tuple(done.failed))


def with_seed(method: str, seed: int | None) -> str:
    """Add ``seed`` to a method that draws numbers, unless its text has one of its own."""
    name, settings = apart(method)
    if seed is None or "seed" not in as_recipe(name).settings:
        return method
    given = [item for item in settings.split(",") if item]
    if any(item.startswith("seed=") for item in given):
        return method
    return f"{name}:{','.join([*given, f'seed={seed}'])}"


def _explain_found(
    job: _Job, found: Sequence[NamedImage]
) -> Iterator[tuple[NamedImage, Explained | RegionwiseError]]:
    """Yield each image with what was found, or with the error that stood in the way.

    An error of the first batch that is not about an image file is raised: it would come again.
    """
    size = job.request.batch_size
    proven = False
    for start in range(0, len(found), size):
        opened: list[tuple[NamedImage, Image.Image]] = []
        for image in found[start : start + size]:
            try:
                opened.append((image, open_image(image.path)))
            except ImageError as error:
                yield image, error
        if opened:
            yield from _explain_isolated(job, opened) if proven else _explain_batch(job, opened)
            proven = True


def _explain_batch(
    job: _Job, opened: Sequence[tuple[NamedImage, Image.Image]]
) -> list[tuple[NamedImage, Explained | RegionwiseError]]:
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


def _targets(request: ExplainRequest) -> TargetSpec:
    return request.target if request.against is None else Versus(request.target, request.against)


def _explain_isolated(
    job: _Job, opened: Sequence[tuple[NamedImage, Image.Image]]
) -> list[tuple[NamedImage, Explained | RegionwiseError]]:
    """Explain a batch; if it fails, one by one, so that an image fails for itself alone."""
    try:
        return _explain_batch(job, opened)
    except RegionwiseError as error:
        if len(opened) == 1:
            return [(opened[0][0], error)]
    return [result for one in opened for result in _explain_isolated(job, [one])]


def _keep(job: _Job, done: _Done, image: NamedImage, explained: Explained) -> None:
    """Write an image's files, and remember what the sheet and the manifest say of it."""
    source, files = readable(str(image.path)), image_files(explained)
    if not done.records:
        remove_stale(job.request.out, MANIFEST, SHEET)
    write_together(job.request.out / image.folder, files)
    done.records.append(image_record(explained, source=source, folder=image.folder))
    done.layers.append(explained.first.layer)
    done.notes.extend(note for note in explained.first.notes if note not in done.notes)
    if len(done.records) <= SHEET_IMAGES:
        done.rows.extend(sheet_rows(explained, Path(source).name))


def _note_failure(failure: Failure, done: _Done, progress: Progress) -> None:
    """Tell of a failure at once, unless nothing else was asked: then it ends the run."""
    done.failed.append(failure)
    if not done.alone:
        progress.say(f"skipped: {failure.reason}")


def _nothing_explained(failed: Sequence[Failure]) -> ImageError:
    if len(failed) == 1:
        return ImageError(failed[0].reason)
    return ImageError(f"none of {len(failed)} images could be explained; {failed[0].reason}")


def _finish(job: _Job, done: _Done) -> None:
    """Write the sheet, and then the manifest."""
    request, classifier = job.request, job.classifier
    shown = min(len(done.records), SHEET_IMAGES)
    notes = [f"maps at {done.layers[0]}, each on its own scale"]
    if classifier.weights not in {"shipped", "pretrained", "given"}:
        notes.append(f"weights: {classifier.weights}")
    if shown < len(done.records):
        notes.append(f"{shown} of {len(done.records)} images")
    title, subtitle = classifier.source, " · ".join(notes)
    sheet = contact_sheet(done.rows, list(job.recipes), title=title, subtitle=subtitle)
    write_together(request.out, {SHEET: encode_png(sheet)})
    manifest = {
        "versions": versions(),
        "model": classifier.describe(),
        "layer": done.layers[0],
        "fuse": request.fuse if len(request.layers) > 1 else None,
        "target": request.target,
        "against": request.against,
        "device": request.device,
        "precision": request.precision,
        "notes": done.notes,
        "methods": [method_record(recipe) for recipe in job.recipes.values()],
        "images": done.records,
        "failed": [{"source": f.source, "reason": f.reason} for f in done.failed],
        "sheet": {"file": SHEET, "images": shown, "left_out": len(done.records) - shown},
    }
    write_json(request.out / MANIFEST, manifest)


def _summary(job: _Job, done: _Done) -> str:
    images, count = len(done.records), len(job.recipes)
    failed = f", {len(done.failed)} skipped" if done.failed else ""
    return (
        f"{images} image{'s' * (images != 1)} explained by {count} method{'s' * (count != 1)}"
        f"{failed}: {readable(str(job.request.out / SHEET))}"
    )
