"""A folder for results behind a URI: an object store, or whatever Arrow and fsspec know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

from regionwise.errors import OutputError
from regionwise.uris import WHOLE_PUTS, opened, reason, shown


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
        self._put(name, content)

    def write_lines(self, name: str, lines: Iterable[bytes]) -> None:
        """Put an object out of a file of this machine: a stream that breaks off leaves a part."""
        import pyarrow as pa  # noqa: PLC0415 - the extra

        with self._telling("write", name), TemporaryDirectory(prefix="regionwise-") as folder:
            path = Path(folder) / "lines"
            with path.open("wb") as file:
                file.writelines(lines)
            with pa.memory_map(str(path)) as whole:
                self._put(name, whole.read_buffer())

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        system, path = self._at(name)
        with self._telling("remove", name), suppress(FileNotFoundError):
            system.delete_file(path)

    def holding(self, doing: str) -> AbstractContextManager[None]:
        """Nothing is held."""
        del doing
        return nullcontext()

    def _put(self, name: str, content: Any) -> None:
        """Put what Arrow takes for bytes."""
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


def _put(system: Any, path: str, content: Any) -> None:
    with system.open_output_stream(path) as stream:
        stream.write(content)
