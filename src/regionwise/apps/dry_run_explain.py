"""``regionwise explain --dry-run``: what would be explained and what it takes, by a few images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from tempfile import TemporaryDirectory
from typing import Final

import torch
from PIL import Image

from regionwise.apps.collect import SHEET as SHEET_FILE
from regionwise.apps.collect import Failure, NamedImage, readable
from regionwise.apps.dry_run import Line, Where, images_of, plain, print_estimate
from regionwise.apps.explain_job import Job, explain_isolated, opened_job
from regionwise.apps.explain_manifest import SHEET_IMAGES
from regionwise.apps.explain_work import write_images
from regionwise.apps.progress import OpenProgress
from regionwise.apps.request import ExplainRequest
from regionwise.benchmark.estimate import Estimate, Measured, Part, Passes, Stage
from regionwise.benchmark.estimate_meter import (
    Clock,
    Lap,
    Meter,
    Trial,
    measured_by,
    one_pass,
    trials,
)
from regionwise.benchmark.estimate_plan import BUDGET
from regionwise.data.images import open_image
from regionwise.errors import ImageError, RegionwiseError
from regionwise.pictures.encoding import encode_png
from regionwise.pictures.sheet import contact_sheet
from regionwise.places import Place, as_place
from regionwise.report.gallery import Explained, sheet_rows
from regionwise.report.manifest import image_record
from regionwise.report.shards import Kept

SHEET: Final = "sheet of the first images"

Opened = tuple[NamedImage, Image.Image]


def dry_run_explain(
    request: ExplainRequest,
    where: Where,
    found: Sequence[NamedImage],
    missing: Sequence[Failure],
    open_progress: OpenProgress,
) -> str:
    """Print what would be explained and what it would take; nothing is written.

    Returns a line for the end.

    Raises:
        RegionwiseError: the request cannot be met, or none of the first images explained.
    """
    job, load = Clock(torch.device("cpu"))(lambda: opened_job(request, where.here))
    plain(
        f"{request.model}: {images_of(len(found))}, {len(found) * len(job.recipes):,} explanations",
        f"  {', '.join(job.recipes)}",
    )
    with where.as_a_worker(), TemporaryDirectory() as folder, open_progress(1) as progress:
        for failure in missing:
            progress.say(f"skipped: {failure.reason}")
        progress.say("measuring a few images; Ctrl-C ends it")
        tried = _Tried(job, as_place(folder), torch.device(where.here))
        clock = Clock(tried.device)
        kind, took = clock(lambda: tried.measured(found, request.batch_size))
        sheet = tried.sheet(len(found))
        progress.advance(1)
    passes = kind.explain.times(len(found))
    line = Line("all", len(found), len(found) * len(job.recipes), passes, kind.images)
    parts = _parts(kind, len(found), request.batch_size)
    estimate = Estimate(parts, load.seconds, sheet, proof=True)
    print_estimate([line], Passes(), estimate, where)
    plain(*where.said(took.seconds), "Not counted: the start of workers, and the manifest.")
    return "nothing was explained yet, nothing written"


def _parts(kind: Measured, images: int, size: int) -> tuple[Part, ...]:
    """Return the batches of a run."""
    whole, rest = divmod(images, size)
    return (Part(kind, size),) * whole + ((Part(kind, rest),) if rest else ())


@dataclass(eq=False)
class _Tried:
    """Images that are explained to see what it takes, and the last of what came of them."""

    job: Job
    scratch: Place
    device: torch.device
    last: list[tuple[NamedImage, Explained]] = field(default_factory=list)

    def measured(self, images: Sequence[NamedImage], size: int) -> Measured:
        """Run samples of batches."""
        opened = _opened(images)
        one = self._one_pass(next(opened)[1])

        def attempt(count: int, meter: Meter) -> Trial:
            return self._tried(list(islice(opened, count)), meter)

        largest = min(size, len(images))
        return measured_by("all", trials(attempt, largest, BUDGET, self.device), one)

    def sheet(self, images: int) -> dict[str, float]:
        """Return the seconds of the sheet of a run."""

        def drawn() -> None:
            rows = [r for i, e in self.last for r in sheet_rows(e, readable(i.path.name))]
            page = contact_sheet(rows, list(self.job.recipes), title="", subtitle="")
            self.scratch.write(SHEET_FILE, encode_png(page))

        _, lap = Clock(self.device)(drawn)
        return {SHEET: lap.seconds * min(images, SHEET_IMAGES) / len(self.last)}

    def _tried(self, opened: Sequence[Opened], meter: Meter) -> Trial:
        """Explain images as a batch, and say what its stages take."""
        clock = Clock(self.device)
        pictures, read = clock(lambda: [(image, open_image(image.path)) for image, _ in opened])
        shaped = clock(lambda: [self._shaped(picture) for _, picture in pictures])[1]
        answers, whole = meter(lambda: explain_isolated(self.job, pictures))
        self.last = [(i, e) for i, e in answers if isinstance(e, Explained)]
        if not self.last:
            raise next(e for _, e in answers if isinstance(e, RegionwiseError))
        files, draw = clock(self._files)
        _, write = clock(lambda: write_images(self.scratch, files))
        both, maps = Lap(read.seconds + shaped.seconds), whole.less(shaped)
        laps: dict[Stage, Lap] = {"read": both, "explain": maps, "draw": draw, "write": write}
        size = sum(len(content) for own in files.values() for content in own.values())
        return Trial(len(opened), laps, size)

    def _files(self) -> dict[str, dict[str, bytes]]:
        kept = []
        for image, explained in self.last:
            source = readable(str(image.path))
            record = image_record(explained, source=source, folder=image.folder, files=())
            kept.append(Kept(image.folder, record, explained))
        return self.job.form.files(kept, 0)

    def _shaped(self, picture: Image.Image) -> object:
        """Bring a picture to the size of the network, as its preprocessing does."""
        how = self.job.classifier.preprocessing
        return picture if how is None else how(picture)

    def _one_pass(self, picture: Image.Image) -> float:
        how = self.job.classifier.preprocessing
        shaped = self.job.classifier.noise() if how is None else how(picture)
        return one_pass(self.job.classifier, shaped.to(self.device))


def _opened(images: Sequence[NamedImage]) -> Iterator[Opened]:
    """Yield images that can be read, again and again.

    Raises:
        ImageError: none can.
    """
    good, reason = True, ""
    while good:
        good = False
        for image in images:
            try:
                picture = open_image(image.path)
            except ImageError as error:
                reason = str(error)
                continue
            good = True
            yield image, picture
    raise ImageError(f"none of {len(images)} images can be read; {reason}")
