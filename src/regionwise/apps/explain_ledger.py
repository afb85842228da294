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
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Final

from regionwise.apps.collect import MANIFEST
from regionwise.apps.request import LEDGER
from regionwise.errors import OutputError
from regionwise.files import sweep
from regionwise.lock import holding
from regionwise.places import Place, read_all
from regionwise.report.writing import check_folder

_RUN: Final = f"{LEDGER}/run.json"
_NAME: Final = re.compile(r"(\d+)\.json")


@dataclass(frozen=True)
class Ledger:
    """The memory of one run; ``run`` is its hash, ``kept`` whether anything is remembered."""

    place: Place
    run: str
    kept: bool

    def holding(self) -> AbstractContextManager[None]:
        """Keep other runs from going on with the same."""
        if not self.kept or self.place.local is None:
            return nullcontext()
        return holding(self.place.local / LEDGER, doing="explains into")

    def begin(self) -> dict[int, bytes]:
        """Return what is done of this run, by batch; forget any other run.

        Raises:
            OutputError: the place cannot be read or written.
        """
        known = _run_in(self.place, _RUN)
        if known is not None:
            self._sweep()
        if self.kept and known == self.run:
            return dict(_done(self.place))
        self.forget()
        if self.kept:
            self.place.write(_RUN, json.dumps({"run": self.run}).encode())
        return {}

    def _sweep(self) -> None:
        """Remove what a killed run left half written, beside the manifest and in all folders."""
        local = self.place.local
        if local is not None and local.is_dir():
            for folder in (local, *(path for path in local.iterdir() if path.is_dir())):
                sweep(folder)

    def forget(self) -> None:
        """Remove all that is remembered, the hash first."""
        self.place.remove(_RUN)
        for name in self.place.names(LEDGER):
            if _NAME.fullmatch(name):
                self.place.remove(f"{LEDGER}/{name}")

    def tidy(self) -> None:
        """Remove folders that hold nothing."""
        local = self.place.local
        for folder in () if local is None else (local / LEDGER, local):
            with suppress(OSError):  # something is there, or it never was
                folder.rmdir()

    def empty(self) -> bool:
        """Return whether no batch is done."""
        return not any(_NAME.fullmatch(name) for name in self.place.names(LEDGER))


def check_place(place: Place, *, overwrite: bool) -> None:
    """Refuse a place that holds something.

    Raises:
        OutputError: says so, and what would help.
    """
    if place.local is None:
        if not overwrite and (place.names() or place.names(LEDGER)):
            raise OutputError(
                f"{str(place)!r} is not empty; choose another --out, or add --overwrite"
                f"{_also(place)}"
            )
        return
    try:
        check_folder(place.local, overwrite=overwrite)
    except OutputError as error:
        raise OutputError(f"{error}{_also(place)}") from error


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


def _done(place: Place) -> Iterator[tuple[int, bytes]]:
    names = [name for name in sorted(place.names(LEDGER)) if _NAME.fullmatch(name)]
    for name, content in read_all(place, [f"{LEDGER}/{name}" for name in names]):
        yield int(name.rpartition("/")[2].removesuffix(".json")), content


def _also(place: Place) -> str:
    return (
        ", or --resume to go on with what was cut off" if _run_in(place, _RUN) is not None else ""
    )
