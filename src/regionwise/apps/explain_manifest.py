"""What tells of a run when it is done: the sheet of its first images, then the manifest."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Final

from regionwise.apps.collect import IMAGES, MANIFEST, SHEET, Failure
from regionwise.apps.explain_job import Job
from regionwise.files import as_json
from regionwise.pictures.encoding import encode_png
from regionwise.pictures.sheet import Row, contact_sheet
from regionwise.places import Place
from regionwise.report.manifest import method_record, versions

SHEET_IMAGES: Final = 12
"""More would make a sheet that nobody scrolls through; the folders hold them all."""

INLINE: Final = 10_000
"""Of more images the manifest does not tell itself: a file beside it has a line for each."""


@dataclass
class Summed:
    """What all batches tell: images explained, folders of the first, failures, notes, the layer.

    ``images`` holds what is told of each; of many it is in a file, and ``images`` is ``None``.
    """

    count: int = 0
    first: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    layer: str = ""
    images: list[Any] | None = None

    def adding(self, records: Iterable[dict[str, Any]]) -> Iterator[Any]:
        """Yield what batches tell of each image, while they are added up."""
        for part in records:
            self.count += len(part["images"])
            self.first += [i["folder"] for i in part["images"]][: SHEET_IMAGES - len(self.first)]
            self.failed += [Failure(one["source"], one["reason"]) for one in part["failed"]]
            self.notes |= dict.fromkeys(part["notes"])
            self.layer = self.layer or part["layer"] or ""
            yield from part["images"]


def gathered(records: Iterable[dict[str, Any]], place: Place | None) -> Summed:
    """Add up what batches tell, in their order; of many images, a file takes it line by line.

    Without a ``place`` they are only counted.

    Raises:
        OutputError: the file cannot be written.
    """
    found = Summed()
    images = found.adding(records)
    found.images = list(islice(images, INLINE + 1))
    if len(found.images) > INLINE:
        told, found.images = chain(found.images, images), None
        lines = (f"{json.dumps(image, ensure_ascii=False)}\n".encode() for image in told)
        if place is not None:
            place.write_lines(IMAGES, lines)
        deque(lines, maxlen=0)
    return found


def write_sheet(place: Place, job: Job, summed: Summed, rows: Sequence[Row]) -> None:
    """Write the sheet.

    Raises:
        OutputError: it cannot be written.
    """
    shown, classifier = len(summed.first), job.classifier
    notes = [f"maps at {summed.layer}, each on its own scale"]
    if classifier.weights not in {"shipped", "pretrained", "given"}:
        notes.append(f"weights: {classifier.weights}")
    if shown < summed.count:
        notes.append(f"{shown} of {summed.count} images")
    title, subtitle = classifier.source, " · ".join(notes)
    sheet = contact_sheet(rows, list(job.recipes), title=title, subtitle=subtitle)
    place.write(SHEET, encode_png(sheet))


def write_manifest(place: Place, job: Job, run: str, summed: Summed) -> None:
    """Write the manifest; ``run`` is the hash by which the same command knows its own.

    Raises:
        OutputError: it cannot be written.
    """
    request, shown = job.request, len(summed.first)
    beside = {"file": IMAGES, "count": summed.count}
    manifest: Mapping[str, Any] = {
        "versions": versions(),
        "model": job.classifier.describe(),
        "layer": summed.layer,
        "fuse": request.fuse if len(request.layers) > 1 else None,
        "target": request.target,
        "against": request.against,
        "device": request.device,
        "precision": request.precision,
        "accelerate": request.accelerate,
        "notes": list(summed.notes),
        "methods": [method_record(recipe) for recipe in job.recipes.values()],
        "images": beside if summed.images is None else summed.images,
        "failed": [{"source": f.source, "reason": f.reason} for f in summed.failed],
        "sheet": {"file": SHEET, "images": shown, "left_out": summed.count - shown},
        "run": run,
    }
    place.write(MANIFEST, as_json(manifest))
