"""What tells of a run when it is done: the sheet of its first images, then the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from regionwise.apps.collect import MANIFEST, SHEET, Failure
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

IMAGES: Final = "images.jsonl"


@dataclass(frozen=True)
class Told:
    """What batches told of themselves, as JSON, by number; see ``BatchDone.record``."""

    records: dict[int, bytes] = field(default_factory=dict)

    def parts(self) -> Iterator[dict[str, Any]]:
        """Yield what each batch told, in the order of the batches."""
        for number in sorted(self.records):
            yield json.loads(self.records[number])

    def summed(self) -> Summed:
        """Return what they tell together."""
        found = Summed()
        for part in self.parts():
            found.count += len(part["images"])
            found.first += [i["folder"] for i in part["images"]][: SHEET_IMAGES - len(found.first)]
            found.failed += [Failure(one["source"], one["reason"]) for one in part["failed"]]
            found.notes |= dict.fromkeys(part["notes"])
            found.layer = found.layer or part["layer"] or ""
        return found


@dataclass
class Summed:
    """What all batches tell: images explained, folders of the first, failures, notes, the layer."""

    count: int = 0
    first: list[str] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    notes: dict[str, None] = field(default_factory=dict)
    layer: str = ""


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


def write_manifest(place: Place, job: Job, run: str, told: Told, summed: Summed) -> None:
    """Write the manifest; ``run`` is the hash by which the same command knows its own.

    Raises:
        OutputError: it cannot be written.
    """
    request, shown = job.request, len(summed.first)
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
        "images": _images(place, told, summed.count),
        "failed": [{"source": f.source, "reason": f.reason} for f in summed.failed],
        "sheet": {"file": SHEET, "images": shown, "left_out": summed.count - shown},
        "run": run,
    }
    place.write(MANIFEST, as_json(manifest))


def _images(place: Place, told: Told, count: int) -> list[Any] | dict[str, Any]:
    records = (image for part in told.parts() for image in part["images"])
    if count <= INLINE:
        return list(records)
    lines = (json.dumps(image, ensure_ascii=False) for image in records)
    place.write(IMAGES, "".join(f"{line}\n" for line in lines).encode())
    return {"file": IMAGES, "count": count}
