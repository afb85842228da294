"""The work behind ``regionwise report``: rows and a few pictures into one page."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from regionwise.apps.progress import OpenProgress
from regionwise.attribution.explain import explain_all
from regionwise.attribution.result import Attribution
from regionwise.attribution.showing import picture_of
from regionwise.benchmark.context import Context
from regionwise.benchmark.curves import curves_of, numbers_by_image
from regionwise.benchmark.samples import Picture, in_order, read_benchmark_data
from regionwise.benchmark.summary import Summary, summarise
from regionwise.data.images import open_image
from regionwise.errors import DataError, ImageError
from regionwise.files import write_text
from regionwise.models.classifier import Classifier
from regionwise.pictures.overlay import overlay
from regionwise.report.benchmark_page import Shown, benchmark_page


def write_report(
    folder: Path, out: Path, open_progress: OpenProgress, *, gallery: int, device: str
) -> None:
    """Write the page of a benchmark.

    Raises:
        RegionwiseError: the folder holds no rows; or, for the gallery, data or model are gone.
    """
    summary = summarise(folder)
    shown = _gallery(summary, open_progress, gallery, device) if gallery else []
    numbers = numbers_by_image(folder, [one.name for one in shown]) if shown else {}
    write_text(out, benchmark_page(summary, curves_of(folder), shown, numbers))


def _gallery(summary: Summary, open_progress: OpenProgress, count: int, device: str) -> list[Shown]:
    """Explain the first pictures of the sample again, by all methods of the first model."""
    plan = summary.plan
    data = read_benchmark_data(plan["data"]["source"])
    if data.fingerprint() != plan["data"]["fingerprint"]:
        raise DataError(
            f"{data.source!r} is not what was benchmarked any more; --gallery 0 does without it"
        )
    context = Context(data, plan["recipe"]["seed"], device=device)
    used = plan["models"][0]
    classifier = context.model(used["source"])
    methods = [name for names in used["methods"].values() for name in names]
    names = [picture.name for picture in data.pictures]
    chosen = in_order(data.pictures, names, context.seed)[:count]
    found = []
    with open_progress(len(chosen)) as progress:
        for picture in chosen:
            try:
                found.append(_shown(classifier, picture, methods, data.class_names[picture.label]))
            except ImageError as error:
                progress.say(f"{picture.name}: {error}")
            progress.advance(1)
    return found


def _shown(classifier: Classifier, picture: Picture, methods: list[str], label: str) -> Shown:
    answers = explain_all(classifier, [open_image(picture.path)], methods)
    first = next(iter(answers.values()))
    pixels = np.zeros((1, 1, 3), np.uint8) if first.images is None else picture_of(first.images[0])
    name, probability = first.top[0]
    return Shown(
        picture.name,
        f"is {label}, predicted {name} ({100 * probability:.1f} %)",
        pixels,
        {method: _overlay(one, pixels) for method, one in answers.items()},
    )


def _overlay(one: Attribution, pixels: np.ndarray) -> np.ndarray:
    size = (pixels.shape[0], pixels.shape[1])
    saliency = one.saliency(size)[0, 0].clamp(0, 1).double().cpu().numpy()
    return overlay(pixels, saliency)
