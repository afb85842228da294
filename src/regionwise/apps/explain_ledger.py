"""What is remembered of a run of ``regionwise explain`` until it is done, so that it can go on.

::

    OUT/.regionwise/
      run.json         the hash of what was asked
      0000003.json     what the manifest will say of a batch that is done

The listing says which batches are done. A run of one batch remembers nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from regionwise.apps.collect import MANIFEST
from regionwise.apps.request import LEDGER
from regionwise.errors import OutputError
from regionwise.files import HALF, sweep
from regionwise.lock import LOCK, holding
from regionwise.places import Place, read_all, remove_all
from regionwise.report.writing import check_folder

_RUN: Final = f"{LEDGER}/run.json"
_NAME: Final = re.compile(r"(\d+)\.json")


@dataclass(frozen=True)
class Ledger:
    """The memory of one run; ``run`` is its hash, ``kept`` whether anything is remembered.

    What the only batch of a run told, that remembers nothing, is ``held``.
    """

    place: Place
    run: str
    kept: bool
    held: dict[int, bytes] = field(default_factory=dict)

    def holding(self) -> AbstractContextManager[None]:
        """Keep other runs out of the folder; none can be kept out of an object store."""
        if self.place.local is None:
            return nullcontext()
        return holding(self.place.local / LEDGER, doing="explains into")

    def begin(self, *, resume: bool) -> frozenset[int]:
        """Return the batches of this run that are done; forget any other run, or this one, too.

        Raises:
            OutputError: the place cannot be read or written.
        """
        known = _run_in(self.place, _RUN)
        own = resume and self.kept and known == self.run
        done = frozenset(int(name.removesuffix(".json")) for name in self._names() if own)
        if not done:  # else of what is left to do, which is less
            self.sweep(() if known is None else None)
        if own:
            return done
        self.forget()
        if self.kept:
            self.place.write(_RUN, json.dumps({"run": self.run}).encode())
        return frozenset()

    def sweep(self, folders: Collection[str] | None = None) -> None:
        """Remove what a killed run left half written, also in folders of images: in all of them."""
        local = self.place.local
        if local is None or not local.is_dir():
            return
        for folder in (local, local / LEDGER):
            sweep(folder)
        for path in local.iterdir():
            if (folders is None or path.name in folders) and path.is_dir():
                sweep(path)

    def note(self, number: int, record: bytes, *, written: bool) -> None:
        """Remember what a batch told, unless its worker has."""
        if not self.kept:
            self.held[number] = record
        elif not written:
            self.place.write(batch_file(number), record)

    def records(self, numbers: Iterable[int]) -> Iterator[dict[str, Any]]:
        """Yield what batches told, in their order; read when it is asked for, they may be many.

        Raises:
            OutputError: one is gone, or damaged.
        """
        wanted = sorted(numbers)
        if not self.kept:
            yield from (json.loads(self.held[number]) for number in wanted)
            return
        found = 0
        for name, content in read_all(self.place, map(batch_file, wanted)):
            found += 1
            yield _checked(self.place, name, content)
        if found < len(wanted):
            raise OutputError(
                f"what was remembered in '{self.place}/{LEDGER}' of {len(wanted) - found} batches"
                " is gone; give the same command with --resume, which does them again"
            )

    def forget(self) -> None:
        """Remove all that is remembered, the hash first."""
        self.place.remove(_RUN)
        remove_all(self.place, [f"{LEDGER}/{name}" for name in self._names()])

    def tidy(self) -> None:
        """Remove folders that hold nothing."""
        local = self.place.local
        for folder in () if local is None else (local / LEDGER, local):
            with suppress(OSError):  # something is there, or it never was
                folder.rmdir()

    def empty(self) -> bool:
        """Return whether no batch is done."""
        return not self._names()

    def _names(self) -> list[str]:
        return [name for name in self.place.names(LEDGER) if _NAME.fullmatch(name)]


def batch_file(number: int) -> str:
    """Return the file that says that a batch is done."""
    return f"{LEDGER}/{number:07d}.json"


def check_place(place: Place, *, overwrite: bool) -> None:
    """Refuse a place that holds something.

    Raises:
        OutputError: says so, and what would help.
    """
    try:
        if place.local is not None:
            check_folder(place.local, overwrite=True)
        if not overwrite:
            _check_empty(place)
    except OutputError as error:
        raise OutputError(f"{error}{_also(place)}") from error


def _check_empty(place: Place) -> None:
    if _holds_something(place):
        what = repr(str(place)) if place.local is None else f"the folder {str(place)!r}"
        raise OutputError(f"{what} is not empty; choose another --out, or add --overwrite")


def _holds_something(place: Place) -> bool:
    """Return whether there is more than a lock, and what was begun before anything else."""
    if place.local is None:
        return bool(place.names() or place.names(LEDGER))
    try:
        with suppress(FileNotFoundError):
            if any(path.name != LEDGER for path in place.local.iterdir()):
                return True
            names = [path.name for path in (place.local / LEDGER).iterdir()]
            return any(name != LOCK and not name.startswith(HALF) for name in names)
    except OSError as error:
        raise OutputError(f"cannot use {str(place)!r}: {error.strerror or error}") from error
    return False


def check_resumable(place: Place, run: str, *, overwrite: bool) -> bool:
    """Return whether the run was finished before; refuse a place that holds another one.

    Raises:
        OutputError: what is there is of another run, or of none.
    """
    known = _run_in(place, _RUN)
    if known is not None and known != run:
        raise OutputError(
            f"{str(place)!r} holds what was cut off of another run (other images, model, methods or"
            " settings); give the same command, or choose another --out"
        )
    if known is None:
        if _run_in(place, MANIFEST) == run:
            return True
        check_place(place, overwrite=overwrite)
    return False


def _run_in(place: Place, name: str) -> str | None:
    """Return the hash of a run that a file tells; ``None`` without a file, else empty."""
    content = place.read(name)
    if content is None:
        return None
    try:
        return str(json.loads(content)["run"])
    except (ValueError, LookupError, TypeError):
        return ""


def _checked(place: Place, name: str, content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        found = None
    if not _is_record(found):
        raise OutputError(
            f"'{place}/{name}' is damaged; remove it and give the same command with --resume,"
            " which does that batch again"
        )
    whole: dict[str, Any] = found
    return whole


def _is_record(found: Any) -> bool:
    """Return whether it is what a batch tells, as far as it is read."""
    if not isinstance(found, dict) or "layer" not in found:
        return False
    if not all(isinstance(found.get(name), list) for name in ("images", "failed", "notes")):
        return False
    wanted = [(one, {"folder"}) for one in found["images"]]
    wanted += [(one, {"source", "reason"}) for one in found["failed"]]
    return all(isinstance(one, dict) and names <= one.keys() for one, names in wanted)


def _also(place: Place) -> str:
    return (
        ", or --resume to go on with what was cut off" if _run_in(place, _RUN) is not None else ""
    )
