"""Who does the work: a pool of workers, in this process or on many machines.

A *work* says what a worker loads, once, and how it then does one item after the other. An *engine*
opens a pool for a work. Items are planned beforehand; no engine regroups them, so each gives the
same result by itself, whoever does it, and doing it twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeAlias, TypeVar, runtime_checkable
from uuid import uuid4

from regionwise.errors import InputError, OutputError
from regionwise.places import Place

Item = TypeVar("Item")
Report = TypeVar("Report")
Item_contra = TypeVar("Item_contra", contravariant=True)
Report_co = TypeVar("Report_co", covariant=True)

Say: TypeAlias = Callable[[str], None]
"""One line for people."""

SIGN: Final = ".workers"
"""The file by which workers know a folder."""


@runtime_checkable
class Work(Protocol[Item_contra, Report_co]):
    """What workers do. It may be sent to other processes."""

    def open(self) -> Callable[[Item_contra], Report_co]:
        """Load what is needed, and return what does an item.

        Raises:
            RegionwiseError: the work cannot be done at all; the run ends.
        """


@dataclass(frozen=True)
class Lost:
    """An item that cannot be done: whoever tried it ended, again and again."""

    reason: str


@runtime_checkable
class Pool(Protocol[Item, Report_co]):
    """Workers that wait for items."""

    def run(
        self, items: Sequence[Item], *, alone: bool = False
    ) -> Iterator[tuple[Item, Report_co | Lost]]:
        """Yield items as they are done, in any order; ``alone``: one at a time.

        Raises:
            RegionwiseError: an item says that the work cannot go on.
        """


@runtime_checkable
class Engine(Protocol):
    """Opens pools; ``elsewhere`` says that workers are other processes, maybe other machines."""

    @property
    def elsewhere(self) -> bool:
        """Return whether workers may not see what this process sees."""

    def opened(
        self, work: Work[Item, Report], say: Say
    ) -> AbstractContextManager[Pool[Item, Report]]:
        """Start workers, and end them."""


@dataclass(frozen=True)
class Here:
    """One worker: this process."""

    elsewhere: bool = False

    @contextmanager
    def opened(self, work: Work[Item, Report], say: Say) -> Iterator[Pool[Item, Report]]:
        """Open the work in this process."""
        del say
        yield _One(work.open())


@dataclass(frozen=True)
class _One(Generic[Item, Report]):
    do: Callable[[Item], Report]

    def run(
        self, items: Sequence[Item], *, alone: bool = False
    ) -> Iterator[tuple[Item, Report | Lost]]:
        """Do one item after the other."""
        del alone
        for item in items:
            yield item, self.do(item)


@dataclass(frozen=True)
class Outbox:
    """A place for results, and a sign in it by which a worker knows that it sees the same one.

    An object store, and this process, need no sign.
    """

    place: Place
    sign: str = ""

    def seen(self) -> bool:
        """Return whether what is written here arrives there; without a sign it does."""
        if not self.sign:
            return True
        try:
            return self.place.read(SIGN) == self.sign.encode()
        except OutputError:
            return False


@contextmanager
def outbox(place: Place, engine: Engine) -> Iterator[Outbox]:
    """Give a place out to workers, who may be on machines that do not see the folder."""
    sign = uuid4().hex
    marked = engine.elsewhere and place.local is not None
    if marked:
        place.write(SIGN, sign.encode())
    try:
        yield Outbox(place, sign if marked else "")
    finally:
        if place.local is not None:
            place.remove(SIGN)  # also that of a run that was killed


@dataclass(frozen=True)
class Witness:
    """A file that a worker must see as the driver does; else all its images would be errors."""

    path: Path
    size: int

    def check(self) -> None:
        """Look for the file.

        Raises:
            InputError: it is not there, or another one.
        """
        if not self.path.is_file() or self.path.stat().st_size != self.size:
            raise InputError(
                f"a worker does not see {str(self.path)!r} as it was planned; put the images where"
                " all machines see them under one path, or into an object store (s3://...)"
            )


def witness_of(paths: Sequence[object]) -> Witness | None:
    """Return the first file of this machine among images, if there is one."""
    for path in paths:
        if isinstance(path, Path) and path.is_file():
            return Witness(path, path.stat().st_size)
    return None
