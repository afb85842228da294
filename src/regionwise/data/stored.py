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


LABELS: Final = ("label", "cls", "class")
"""What fields and columns with a label are called."""


@dataclass(frozen=True)
class Labelled:
    """An image of an archive, and its label if there is one: a class by number or by name."""

    image: Stored
    label: int | str | None = None


@dataclass(frozen=True)
class Index:
    """What archives hold, in their order, and the names of the classes where they tell them."""

    images: tuple[Labelled, ...]
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Keyed:
    key: str

    @property
    def name(self) -> str:
        """The last part of the key."""
        return PurePosixPath(self.key).name

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.key).stem


@dataclass(frozen=True)
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
        try:
            system, base = opened(self.root)
            with system.open_input_stream(f"{base}/{self.key}") as stream:
                return bytes(stream.read())
        except (OSError, SettingError) as error:
            raise ImageError(f"cannot read {str(self)!r}: {reason(error)}") from error


@dataclass(frozen=True)
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
        try:
            if is_uri(self.archive):
                content = bytes(_handle(self.archive).read_at(self.size, self.offset))
            else:
                with Path(self.archive).open("rb") as file:
                    file.seek(self.offset)
                    content = file.read(self.size)
        except (OSError, SettingError) as error:
            raise ImageError(f"cannot read {str(self)!r}: {reason(error)}") from error
        if len(content) < self.size:
            raise ImageError(f"{str(self)!r} is cut short: the archive ends before it")
        return content


@dataclass(frozen=True)
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
            found = _column(self.file, self.column, self.group, self.size)[self.row].as_py()
        except (OSError, LookupError, SettingError) as error:
            raise ImageError(f"cannot read {str(self)!r}: {reason(error)}") from error
        if not isinstance(found, bytes):
            raise ImageError(f"{str(self)!r} holds no bytes of an image; embed them in the file")
        return found


@lru_cache(maxsize=8)
def _handle(uri: str) -> Any:
    system, path = opened(uri)
    return system.open_input_file(path)


@lru_cache(maxsize=2)
def _column(file: str, column: tuple[str, ...], group: int, size: int) -> Any:
    """Return a column of a row group; ``size`` forgets a file that has changed."""
    del size
    import pyarrow as pa  # noqa: PLC0415 - the extra
    import pyarrow.compute as pc  # noqa: PLC0415

    try:
        with open_parquet(file) as parquet:
            found = parquet.read_row_group(group, columns=[".".join(column)])[column[0]]
    except (pa.ArrowException, KeyError) as error:
        raise LookupError(reason(error)) from error
    return pc.struct_field(found, column[1]) if len(column) > 1 else found


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
    if not is_uri(file):
        return pq.ParquetFile(file)
    system, path = opened(file)
    return pq.ParquetFile(path, filesystem=system)
