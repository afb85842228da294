"""A folder for results, on this machine or behind a URI: files are there whole or not at all.

On this machine a file is written under a temporary name and renamed. In an object store a PUT is
whole by itself. The listing of either says what is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable
from uuid import uuid4

from regionwise.errors import OutputError
from regionwise.files import replacing
from regionwise.lock import holding
from regionwise.uris import WHOLE_PUTS, local_path, opened, reason, shown

READERS: Final = 16
"""Files that are read at the same time; a store is slow for each, and fast for many."""


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
        with replacing(self.folder / name) as temporary, temporary.open("wb") as file:
            file.write(content)
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


@dataclass(frozen=True, repr=False)
class RemotePlace:
    """A folder behind a URI. It cannot be locked: two runs into it do the same work twice."""

    uri: str

    def __str__(self) -> str:
        """Return the URI without a password."""
        return shown(self.uri)

    @property
    def local(self) -> Path | None:
        """It lies elsewhere."""
        return None

    def names(self, folder: str = "") -> frozenset[str]:
        """Return the names of what lies directly in a folder."""
        from pyarrow.fs import FileSelector  # noqa: PLC0415 - the extra

        system, path = self._at(folder)
        with self._telling("list", folder):
            listed = system.get_file_info(FileSelector(path, allow_not_found=True))
        return frozenset(one.base_name for one in listed if not one.base_name.startswith("."))

    def read(self, name: str) -> bytes | None:
        """Return an object's content."""
        system, path = self._at(name)
        with self._telling("read", name):
            try:
                with system.open_input_stream(path) as stream:
                    return bytes(stream.read())
            except FileNotFoundError:
                return None

    def write(self, name: str, content: bytes) -> None:
        """Put an object at once; where that is not whole by itself, under another name first."""
        system, path = self._at(name)
        with self._telling("write", name):
            if system.type_name in WHOLE_PUTS:
                _put(system, path, content)
                return
            home, _, last = path.rpartition("/")
            system.create_dir(home, recursive=True)
            temporary = f"{home}/.{uuid4().hex}-{last}"
            _put(system, temporary, content)
            with suppress(FileNotFoundError):
                system.delete_file(path)
            system.move(temporary, path)

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        system, path = self._at(name)
        with self._telling("remove", name), suppress(FileNotFoundError):
            system.delete_file(path)

    def holding(self, doing: str) -> AbstractContextManager[None]:
        """Nothing is held."""
        del doing
        return nullcontext()

    def _at(self, name: str) -> tuple[Any, str]:
        system, base = opened(self.uri)
        return system, f"{base}/{name}".rstrip("/")

    @contextmanager
    def _telling(self, what: str, name: str) -> Iterator[None]:
        """Let what a store says come as an error of ours."""
        try:
            yield
        except OSError as error:
            where = f"{self}/{name}".rstrip("/")
            raise OutputError(f"cannot {what} {where!r}: {reason(error)}") from error


def _put(system: Any, path: str, content: bytes) -> None:
    with system.open_output_stream(path) as stream:
        stream.write(content)


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
    """Yield the files of a place that are there, in the order of their names; many at a time."""
    names = list(names)
    with ThreadPoolExecutor(READERS) as readers:
        for name, content in zip(names, readers.map(place.read, names), strict=True):
            if content is not None:
                yield name, content


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
