"""What a worker of ``regionwise explain`` does: it explains a batch of images and writes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from regionwise.apps.collect import IMAGES, MANIFEST, SHEET, Failure, NamedImage, readable
from regionwise.apps.explain_job import Job, explain_batch, explain_isolated, opened_job
from regionwise.apps.explain_ledger import batch_file
from regionwise.apps.request import ExplainRequest
from regionwise.benchmark.pool import Outbox, Witness
from regionwise.data.images import open_image
from regionwise.errors import ImageError, ModelError
from regionwise.pictures.sheet import Row
from regionwise.places import Place
from regionwise.report.gallery import Explained, sheet_rows
from regionwise.report.manifest import image_record
from regionwise.report.shards import Kept
from regionwise.report.writing import write_together


@dataclass(frozen=True)
class Batch:
    """Images that are explained together, and written one by one.

    Attributes:
        number: its place among all batches.
        images: in their order.
        proof: an error that is not about an image file ends the run: it would come again.
        rows: whether rows of the sheet are wanted.
        files: whether anything is written; else only rows are wanted.
    """

    number: int
    images: tuple[NamedImage, ...]
    proof: bool = False
    rows: bool = False
    files: bool = True


@dataclass(frozen=True, eq=False)
class BatchDone:
    """What came of a batch.

    Attributes:
        record: what the manifest says of it, as JSON: images, failed, layer, notes.
        failed: images that could not be explained.
        explained: how many could.
        tried: whether the network had anything to explain.
        rows: of the sheet, by folder.
        noted: whether the worker has written that the batch is done.
        unwritten: files by folder, which a worker that does not see the place leaves to the driver.
    """

    record: bytes
    failed: tuple[Failure, ...]
    explained: int
    tried: bool
    rows: Mapping[str, list[Row]]
    noted: bool = False
    unwritten: Mapping[str, Mapping[str, bytes]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Explaining:
    """The work of a run.

    Attributes:
        request: what was asked.
        identity: of the job, as the driver knows it.
        out: where results go.
        ledger: whether it is noted that a batch is done.
        witness: an image that all workers must see.
        ready: the job as it is loaded in this process; it stays here.
    """

    request: ExplainRequest
    identity: str
    out: Outbox
    ledger: bool
    witness: Witness | None = None
    ready: Job | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the loaded job behind, when it is sent to another process."""
        return {**vars(self), "ready": None}

    def open(self) -> Callable[[Batch], BatchDone]:
        """Load the model, unless it is there.

        Raises:
            ModelError: the model or a method is not what the driver has.
            RegionwiseError: they cannot be loaded.
        """
        if self.ready is not None:
            return _Explainer(self.ready, self.out, ledger=self.ledger, sees=True)
        if self.witness is not None:
            self.witness.check()
        job = opened_job(self.request, self.request.device)
        if job.identity() != self.identity:
            raise ModelError(
                f"a worker's {self.request.model!r}, or a method from a file, is not the one that"
                " the run began with; put the same weights and files on all machines"
            )
        return _Explainer(job, self.out, ledger=self.ledger, sees=self.out.seen())


def remove_stale(place: Place) -> None:
    """Remove what an earlier run wrote last, before anything of this run is written.

    Raises:
        OutputError: a file cannot be removed.
    """
    for stale in (MANIFEST, SHEET, IMAGES):
        place.remove(stale)


def write_images(place: Place, files: Mapping[str, Mapping[str, bytes]]) -> None:
    """Write files by folder; on this machine those of a folder together or not.

    Raises:
        OutputError: a file cannot be written.
    """
    for folder, own in files.items():
        if place.local is not None:
            write_together(place.local / folder, own)
        else:
            for name, content in own.items():
                place.write(f"{folder}/{name}", content)


@dataclass(frozen=True, eq=False)
class _Explainer:
    """One worker, open."""

    job: Job
    out: Outbox
    ledger: bool
    sees: bool

    def __call__(self, batch: Batch) -> BatchDone:
        opened, failed = _opened(batch.images)
        results = []
        if opened:
            explain = explain_batch if batch.proof else explain_isolated
            results = explain(self.job, opened)
        found: list[Kept] = []
        shown: dict[str, list[Row]] = {}
        for image, result in results:
            if not isinstance(result, Explained):
                failed.append(Failure(readable(str(image.path)), str(result)))
                continue
            found.append(self._kept(image, result, batch))
            if batch.rows:
                shown[image.folder] = sheet_rows(result, readable(image.path.name))
        files = self.job.form.files(found, batch.number) if batch.files else {}
        record = _record(found, failed)
        if self.sees and batch.files:
            self._write(batch, files, record)
        left = {} if self.sees else files
        noted = self.sees and batch.files and self.ledger
        return BatchDone(record, tuple(failed), len(found), bool(opened), shown, noted, left)

    def _kept(self, image: NamedImage, explained: Explained, batch: Batch) -> Kept:
        files = self.job.form.names(explained, image.folder, batch.number)
        source = readable(str(image.path))
        record = image_record(explained, source=source, folder=image.folder, files=files)
        return Kept(image.folder, record, explained)

    def _write(self, batch: Batch, files: Mapping[str, Mapping[str, bytes]], record: bytes) -> None:
        if batch.proof and files:
            remove_stale(self.out.place)
        write_images(self.out.place, files)
        if self.ledger:
            self.out.place.write(batch_file(batch.number), record)


def _opened(
    images: Sequence[NamedImage],
) -> tuple[list[tuple[NamedImage, Image.Image]], list[Failure]]:
    """Read images; return those, and what could not be read."""
    opened: list[tuple[NamedImage, Image.Image]] = []
    failed: list[Failure] = []
    for image in images:
        try:
            opened.append((image, open_image(image.path)))
        except ImageError as error:
            failed.append(Failure(readable(str(image.path)), str(error)))
    return opened, failed


def _record(found: Sequence[Kept], failed: Sequence[Failure]) -> bytes:
    notes = dict.fromkeys(note for one in found for note in one.explained.first.notes)
    told = {
        "images": [one.record for one in found],
        "failed": [{"source": f.source, "reason": f.reason} for f in failed],
        "layer": found[0].explained.first.layer if found else None,
        "notes": list(notes),
    }
    return json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
