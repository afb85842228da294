"""Pictures that are no files of this machine: objects of a store, members of archives, rows.

Each is a small value that can be sent to a worker; its bytes are read when they are asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol, runtime_checkable

from regionwise.errors import ImageError, SettingError
from regionwise.uris import below, is_uri, opened, reason, shown


@runtime_checkable
class Stored(Protocol):
    """An image that lies in a store or an archive; as text, where it lies."""

    @property
    def key(self) -> str:
        """Its name within what it was found in, with slashes."""

    @property
    def name(self) -> str:
        """The last part of the key."""

    @property
    def stem(self) -> str:
        """The name without its suffix."""

    @property
    def stamp(self) -> str:
        """What changes when the content does, as far as a listing tells."""

    def read_bytes(self) -> bytes:
        """Return the encoded image.

        Raises:
            ImageError: it cannot be read.
        """


_LARGEST: Final = 2 << 30
"""Bytes. A picture as large as is allowed takes less in any format."""

LABELS: Final = ("label", "cls", "class")
"""What fields and columns with a label are called."""


def check_room(what: str, size: int) -> None:
    """Refuse what would fill the memory, or claims to.

    Raises:
        ImageError: it would.
    """
    if size > _LARGEST:
        raise ImageError(
            f"{what!r} takes {size / 2**30:.0f} GiB; no image needs more than {_LARGEST >> 30}"
        )


@dataclass(frozen=True)
class Labelled:
    """An image of an archive, and its label if there is one: a class by number or by name.

    A number that is not whole is no class, and refused where labels matter. ``other`` is a second
    label that contradicts the first.
    """

    image: Stored
    label: int | float | str | None = None
    other: int | float | str | None = None


@dataclass(frozen=True)
class Index:
    """What archives hold, in their order, and the names of the classes where they tell them.

    ``damage`` says why there may have been more images; empty if there were none.
    """

    images: tuple[Labelled, ...] = ()
    class_names: tuple[str, ...] = ()
    damage: str = ""


@dataclass(frozen=True, repr=False)
class _Keyed:
    key: str

    def __repr__(self) -> str:
        """Return where it lies; a URI among the fields may hold a password."""
        return f"<{type(self).__name__} {str(self)!r}>"

    @property
    def name(self) -> str:
        """The last part of the key."""
        return PurePosixPath(self.key).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.key).stem


@dataclass(frozen=True, repr=False)
class Missing(_Keyed):
    """What a damaged archive may have held; to read it fails."""

    archive: str
    damage: str

    def __str__(self) -> str:
        """Return the archive."""
        return shown(self.archive)

    @property
    def stamp(self) -> str:
        """Nothing is known."""
        return ""

    def read_bytes(self) -> bytes:
        """Say what is damaged."""
        raise ImageError(self.damage)


@dataclass(frozen=True, repr=False)
class ObjectImage(_Keyed):
    """An object below a URI."""

    root: str
    size: int

    def __str__(self) -> str:
        """Return where it lies."""
        return shown(below(self.root, self.key) if self.key else self.root)

    @property
    def stamp(self) -> str:
        """Its size."""
        return str(self.size)

    def read_bytes(self) -> bytes:
        """Return the object."""
        check_room(str(self), self.size)
        try:
            system, base = opened(self.root)
            with system.open_input_stream(f"{base}/{self.key}") as stream:
                return bytes(stream.read())
        except Exception as error:  # each store has errors of its own
            raise ImageError(f"cannot read {str(self)!r}: {reason(error)}") from error


@dataclass(frozen=True, repr=False)
class TarImage(_Keyed):
    """A member of a tar archive: so many bytes from an offset."""

    archive: str
    offset: int
    size: int

    def __str__(self) -> str:
        """Return where it lies."""
        return f"{shown(self.archive)}!{self.key}"

    @property
    def stamp(self) -> str:
        """Where it lies in the archive, and its size."""
        return f"{self.offset}+{self.size}"

    def read_bytes(self) -> bytes:
        """Return these bytes of the archive."""
        check_room(str(self), self.size)
        try:
            if is_uri(self.archive):
                content = bytes(_handle(self.archive).read_at(self.size, self.offset))
            else:
                with Path(self.archive).open("rb") as file:
                    file.seek(self.offset)
                    content = file.read(self.size)
        except Exception as error:  # each store has errors of its own
            raise ImageError(f"cannot read {str(self)!r}: {reason(error)}") from error
        if len(content) < self.size:
            raise ImageError(f"{str(self)!r} is cut short: the archive ends before it")
        return content


@dataclass(frozen=True, repr=False)
class ParquetImage(_Keyed):
    """A row of a Parquet file: the ``row``-th of a row group, in a column of bytes.

    ``column`` is its name, and that of the field in it, if there is one.
    """

    file: str
    column: tuple[str, ...]
    group: int
    row: int
    size: int

    def __str__(self) -> str:
        """Return where it lies."""
        return f"{shown(self.file)}!{self.key}"

    @property
    def stamp(self) -> str:
        """Its place, and the size of the file."""
        return f"{self.group}.{self.row} of {self.size}"

    def read_bytes(self) -> bytes:
        """Return the row's bytes; neighbours are read with it, and kept for the next call."""
        try:
            found = _rows(self)[self.row].as_py()
        except Exception as error:  # as above
            raise ImageError(f"cannot read {str(self)!r}: {reason(error)}") from error
        if not isinstance(found, bytes):
            raise ImageError(f"{str(self)!r} holds no bytes of an image; embed them in the file")
        return found


@lru_cache(maxsize=8)
def _handle(uri: str) -> Any:
    system, path = opened(uri)
    return system.open_input_file(path)


def _rows(image: ParquetImage) -> Any:
    """Return the column of the row group that an image is in.

    Raises:
        LookupError: it cannot be read.
    """
    found = _column(image.file, image.column, image.group, image.size)
    if isinstance(found, LookupError):
        raise found
    return found


@lru_cache(maxsize=2)
def _column(file: str, column: tuple[str, ...], group: int, size: int) -> Any:
    """Return a column of a row group, or why there is none, to be told of each of its rows.

    ``size`` forgets a file that has changed.
    """
    del size
    try:
        import pyarrow.compute as pc  # noqa: PLC0415 - the extra

        with open_parquet(file) as parquet:
            check_room(f"row group {group}", parquet.metadata.row_group(group).total_byte_size)
            found = parquet.read_row_group(group, columns=[".".join(column)])[column[0]]
            return pc.struct_field(found, column[1]) if len(column) > 1 else found
    except Exception as error:  # noqa: BLE001 - Arrow raises nearly everything on broken files
        return LookupError(reason(error))


def open_parquet(file: str) -> Any:
    """Open a Parquet file, on this machine or behind a URI.

    Raises:
        SettingError: pyarrow is missing.
    """
    try:
        import pyarrow.parquet as pq  # noqa: PLC0415 - the extra
    except ImportError as error:
        raise SettingError(
            f"{shown(file)!r} needs pyarrow; install with: pip install 'regionwise[benchmark]'"
        ) from error
    system, path = opened(file) if is_uri(file) else (None, file)
    return pq.ParquetFile(path, filesystem=system, page_checksum_verification=True)
