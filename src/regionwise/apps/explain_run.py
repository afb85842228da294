"""The work behind ``regionwise explain``: images through the model, results into the folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from regionwise.apps.collect import SHEET, Failure, NamedImage, collect_images, readable
from regionwise.apps.dry_run import Where
from regionwise.apps.dry_run_explain import dry_run_explain
from regionwise.apps.engine_choice import device_here, engine_of
from regionwise.apps.explain_job import Job, opened_job
from regionwise.apps.explain_ledger import Ledger, check_place, check_resumable
from regionwise.apps.explain_manifest import (
    SHEET_IMAGES,
    Summed,
    gathered,
    write_manifest,
    write_sheet,
)
from regionwise.apps.explain_work import Batch, BatchDone, Explaining, remove_stale, write_images
from regionwise.apps.progress import OpenProgress, Progress, progress_bar
from regionwise.apps.request import ExplainRequest
from regionwise.benchmark.digests import digest
from regionwise.benchmark.pool import Lost, Pool, outbox, witness_of
from regionwise.errors import ImageError, ModelError
from regionwise.pictures.sheet import Row
from regionwise.places import Place, as_place
from regionwise.report.shards import SHARDED, SHARDS

_ROWS: Final = 2 * SHEET_IMAGES
"""Images of which rows of the sheet are made on the way: some of the first may fail."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: a line for people, and what could not be explained."""

    summary: str
    failed: tuple[Failure, ...]


@dataclass(frozen=True)
class _Run:
    """What stays the same for all batches; ``alone``: there is one image only."""

    job: Job
    place: Place
    ledger: Ledger
    batches: tuple[Batch, ...]
    missing: tuple[Failure, ...]
    alone: bool


@dataclass
class _Done:
    """What has been gathered so far: numbers of batches; what they told is in the ledger."""

    numbers: set[int]
    lost: list[Failure] = field(default_factory=list)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    proven: bool = False


def explain_images(request: ExplainRequest, open_progress: OpenProgress) -> Outcome:
    """Explain all images of ``request`` and write the results; the manifest comes last.

    With ``dry_run`` it is only said what that would take.

    Raises:
        RegionwiseError: the request cannot be met, or no image could be explained; nothing has
            been written then, unless an image before went well.
    """
    place = as_place(request.out)
    if not request.resume:
        check_place(place, overwrite=request.overwrite)
    found, missing = collect_images(request.images, place.local)
    if not found:
        raise _nothing_explained(missing)
    if request.dry_run:
        where = Where(request.device, device_here(request.engine, request.device), request.engine)
        said = dry_run_explain(request, where, found, missing, progress_bar("Measuring"))
        return Outcome(said, missing)
    job = opened_job(request, device_here(request.engine, request.device))
    identity = job.identity()
    size = request.batch_size
    hashed = digest([identity, size, [(readable(str(i.path)), i.folder) for i in found]])
    ledger = Ledger(place, hashed, kept=len(found) > size)
    alone = len(found) + len(missing) == 1
    run = _Run(job, place, ledger, _batches(found, size), missing, alone)
    try:
        with ledger.holding():
            if _explained_before(request, ledger):
                return Outcome(f"explained before, nothing to do: {place}", ())
            return _explain(run, identity, open_progress)
    finally:
        ledger.tidy()


def _explained_before(request: ExplainRequest, ledger: Ledger) -> bool:
    """Return whether there is nothing to do, now that nobody else can come in between.

    Raises:
        OutputError: what is there is of another run, or of none.
    """
    if not request.resume:
        check_place(ledger.place, overwrite=request.overwrite)
        return False
    finished = check_resumable(ledger.place, ledger.run, overwrite=request.overwrite)
    if finished:  # it may have been cut off while it forgot
        ledger.sweep(())
        ledger.forget()
    return finished


def _batches(found: Sequence[NamedImage], size: int) -> tuple[Batch, ...]:
    starts = range(0, len(found), size)
    return tuple(
        Batch(number, tuple(found[start : start + size]), rows=start < _ROWS)
        for number, start in enumerate(starts)
    )


def _explain(run: _Run, identity: str, open_progress: OpenProgress) -> Outcome:
    """Explain what is not done yet, then write what tells of it."""
    request, total = run.job.request, sum(len(batch.images) for batch in run.batches)
    done = _Done({*run.ledger.begin(resume=request.resume)})
    todo = [batch for batch in run.batches if batch.number not in done.numbers]
    if done.numbers:
        folders = {image.folder for batch in todo for image in batch.images}
        run.ledger.sweep({SHARDS} if request.format in SHARDED else folders)
        done.proven = any(part["images"] for part in run.ledger.records(done.numbers))
    engine = engine_of(request.engine)
    try:
        with open_progress(total) as progress, outbox(run.place, engine) as box:
            for failure in run.missing:
                _note_failure(run, failure, progress)
            if done.numbers:
                progress.say(f"going on: {len(done.numbers)} of {len(run.batches)} batches")
            progress.advance(total - sum(len(batch.images) for batch in todo))
            witness = witness_of([image.path for image in run.batches[0].images])
            ready = None if engine.elsewhere else run.job
            work = Explaining(request, identity, box, run.ledger.kept, witness, ready)
            with engine.opened(work, progress.say) as pool:
                _go(run, pool, todo, done, progress)
                return _end(run, pool, done)
    finally:
        if run.ledger.empty() and not run.place.names():
            run.ledger.forget()


def _go(
    run: _Run, pool: Pool[Batch, BatchDone], todo: list[Batch], done: _Done, progress: Progress
) -> None:
    """Do batches one by one until the first works, then the others in any order."""
    tried = 0
    while tried < len(todo) and not done.proven:
        for batch, report in pool.run([replace(todo[tried], proof=True)]):
            _keep(run, done, batch, report, progress)
        tried += 1
    for batch, report in pool.run(todo[tried:]):
        _keep(run, done, batch, report, progress)


def _keep(
    run: _Run, done: _Done, batch: Batch, report: BatchDone | Lost, progress: Progress
) -> None:
    """Remember what came of a batch, and write what its worker could not."""
    progress.advance(len(batch.images))
    if isinstance(report, Lost):
        progress.say(report.reason)
        done.lost += [Failure(readable(str(i.path)), report.reason) for i in batch.images]
        return
    for failure in report.failed:
        _note_failure(run, failure, progress)
    if report.unwritten:
        if batch.proof:
            remove_stale(run.place)
        write_images(run.place, report.unwritten)
    run.ledger.note(batch.number, report.record, written=report.noted)
    done.numbers.add(batch.number)
    done.proven = done.proven or report.tried
    done.rows |= report.rows


def _note_failure(run: _Run, failure: Failure, progress: Progress) -> None:
    """Tell of a failure at once, unless nothing else was asked: then it ends the run."""
    if not run.alone:
        progress.say(f"skipped: {failure.reason}")


def _nothing_explained(failed: Sequence[Failure]) -> ImageError:
    if len(failed) == 1:
        return ImageError(failed[0].reason)
    return ImageError(f"none of {len(failed)} images could be explained; {failed[0].reason}")


def _end(run: _Run, pool: Pool[Batch, BatchDone], done: _Done) -> Outcome:
    """Write sheet and manifest, and forget how far the run was; not if something is left to do."""
    records = run.ledger.records(done.numbers)
    summed = gathered(records, None if done.lost else run.place)
    summed.failed[:0] = run.missing
    if done.lost:
        line = f"{summed.count} images explained, {len(done.lost)} left to do"
        line += "; --resume tries them" if run.ledger.kept else ""
        return Outcome(f"{line}: {run.place}", (*summed.failed, *done.lost))
    if not summed.count:
        raise _nothing_explained(summed.failed)
    write_sheet(run.place, run.job, summed, _rows(run, pool, summed, done.rows))
    write_manifest(run.place, run.job, run.ledger.run, summed)
    run.ledger.forget()
    return Outcome(_summary(run, summed), tuple(summed.failed))


def _rows(
    run: _Run, pool: Pool[Batch, BatchDone], summed: Summed, rows: dict[str, list[Row]]
) -> list[Row]:
    """Return the rows of the sheet; images of which there are none are explained once more."""
    wanted = {folder for folder in summed.first if folder not in rows}
    again = [
        Batch(batch.number, images, rows=True, files=False)
        for batch in run.batches
        if (images := tuple(image for image in batch.images if image.folder in wanted))
    ]
    for _, report in pool.run(again):
        if isinstance(report, Lost):
            raise ModelError(report.reason)
        rows |= report.rows
    return [row for folder in summed.first for row in rows.get(folder, ())]


def _summary(run: _Run, summed: Summed) -> str:
    images, count = summed.count, len(run.job.recipes)
    failed = f", {len(summed.failed)} skipped" if summed.failed else ""
    return (
        f"{images} image{'s' * (images != 1)} explained by {count} method{'s' * (count != 1)}"
        f"{failed}: {readable(f'{run.place}/{SHEET}')}"
    )
