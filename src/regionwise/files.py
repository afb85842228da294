"""Writing files so that they are there whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp
from typing import Any, Final

from regionwise.errors import OutputError

HALF: Final = ".half"
"""With this begin the names of files that are not whole yet."""


def sweep(folder: Path) -> None:
    """Remove what a killed process left half written in a folder, if there is one.

    Raises:
        OutputError: it cannot be removed.
    """
    for path in folder.glob(f"{HALF}[-.]*") if folder.is_dir() else ():
        try:
            if not path.is_dir():  # the folder of an image may be called that
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"cannot remove {str(path)!r}: {error.strerror}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    Raises:
        OutputError: the file cannot be written; nothing is left behind.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = mkstemp(prefix=f"{HALF}-", suffix=path.suffix or ".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        message = f"cannot write {str(path)!r}: {error.strerror or error}"
        raise OutputError(message) from error
    finally:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all; NaN and infinity are refused."""
    write_text(path, as_json(value).decode())


def as_json(value: Any) -> bytes:
    """Return ``value`` as indented JSON; NaN and infinity are refused."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, sort_keys=False)
    return f"{text}\n".encode()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
