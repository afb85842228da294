"""A folder for results, on this machine or behind a URI: files are there whole or not at all.

On this machine a file is written under a temporary name and renamed. In an object store a PUT is
whole by itself. The listing of either says what is done.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol, TypeAlias, runtime_checkable

from regionwise.errors import OutputError
from regionwise.files import replacing
from regionwise.lock import holding
from regionwise.remote_places import RemotePlace
from regionwise.uris import local_path

READERS: Final = 16
"""Files that are read at the same time; a store is slow for each, and fast for many."""

_AHEAD: Final = 4 * READERS
"""Files that are read before they are asked for; more would fill the memory."""


@runtime_checkable
class Place(Protocol):
    """A folder for results. Names have slashes; what begins with a dot is not listed."""

    @property
    def local(self) -> Path | None:
        """Return the folder, if it lies on this machine."""

    def names(self, folder: str = "") -> frozenset[str]:
        """Return the names of what lies directly in a folder; none if it does not exist."""

    def read(self, name: str) -> bytes | None:
        """Return a file's content; ``None`` if there is none of that name."""

    def write(self, name: str, content: bytes) -> None:
        """Write a file, whole or not at all."""

    def write_lines(self, name: str, lines: Iterable[bytes]) -> None:
        """Write a file line by line, whole or not at all."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def holding(self, doing: str) -> AbstractContextManager[None]:
        """Keep the folder to this process, where that can be done."""


PlaceLike: TypeAlias = str | Path | Place


def as_place(folder: PlaceLike) -> Place:
    """Return the place that a path or a URI means."""
    if isinstance(folder, Path):
        return LocalPlace(folder)
    if not isinstance(folder, str):
        return folder
    path = local_path(folder)
    return RemotePlace(folder.rstrip("/")) if path is None else LocalPlace(path)


@dataclass(frozen=True)
class LocalPlace:
    """A folder on this machine."""

    folder: Path

    def __str__(self) -> str:
        """Return the path."""
        return str(self.folder)

    @property
    def local(self) -> Path | None:
        """Return the folder."""
        return self.folder

    def names(self, folder: str = "") -> frozenset[str]:
        """Return the names of what lies directly in a folder."""
        place = self.folder / folder
        try:
            found = [path.name for path in place.iterdir()] if place.is_dir() else []
        except OSError as error:
            raise OutputError(f"cannot list {str(place)!r}: {error.strerror or error}") from error
        return frozenset(name for name in found if not name.startswith("."))

    def read(self, name: str) -> bytes | None:
        """Return a file's content."""
        try:
            return (self.folder / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            message = f"cannot read {str(self.folder / name)!r}: {error.strerror or error}"
            raise OutputError(message) from error

    def write(self, name: str, content: bytes) -> None:
        """Write to a temporary name, then rename."""
        self.write_lines(name, [content])

    def write_lines(self, name: str, lines: Iterable[bytes]) -> None:
        """Write to a temporary name, then rename."""
        with replacing(self.folder / name) as temporary, temporary.open("wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())  # a power cut shall not leave an empty file under the name

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        try:
            (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            message = f"cannot remove {str(self.folder / name)!r}: {error.strerror or error}"
            raise OutputError(message) from error

    def holding(self, doing: str) -> AbstractContextManager[None]:
        """Lock the folder."""
        return holding(self.folder, doing=doing)


@contextmanager
def mirrored(place: Place, *folders: str) -> Iterator[Path]:
    """Give a folder of this machine with what lies directly in a place and in some of its folders.

    It is the place itself where that is local. Else it is a copy; files that are new or other in
    the copy are written back at the end.
    """
    if place.local is not None:
        yield place.local
        return
    with TemporaryDirectory(prefix="regionwise-") as name:
        copy = Path(name)
        before = _copied(place, copy, folders)
        yield copy
        for made in sorted(path for path in copy.iterdir() if path.is_file()):
            content = made.read_bytes()
            if before.get(made.name) != content:
                place.write(made.name, content)


def read_all(place: Place, names: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a place that are there, in the order of names; some are read ahead."""
    left = iter(names)
    with ThreadPoolExecutor(READERS) as readers:
        ahead = deque((name, readers.submit(place.read, name)) for name in islice(left, _AHEAD))
        while ahead:
            name, answer = ahead.popleft()
            content = answer.result()
            ahead.extend((more, readers.submit(place.read, more)) for more in islice(left, 1))
            if content is not None:
                yield name, content


def remove_all(place: Place, names: Iterable[str]) -> None:
    """Remove files of a place; many at a time."""
    with ThreadPoolExecutor(READERS) as removers:
        for _ in removers.map(place.remove, names):
            pass


def _copied(place: Place, copy: Path, folders: Sequence[str]) -> dict[str, bytes]:
    """Copy what lies in a place; return what lies directly in it."""
    names = sorted(place.names() - {*folders})
    for folder in folders:
        (copy / folder).mkdir()
        names += [f"{folder}/{name}" for name in sorted(place.names(folder))]
    found: dict[str, bytes] = {}
    for name, content in read_all(place, names):
        (copy / name).write_bytes(content)
        found |= {} if "/" in name else {name: content}
    return found
