"""Putting results into a folder: each image's files together or not at all, the manifest last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from regionwise.errors import OutputError
from regionwise.files import replacing


def check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse a folder that cannot take results; nothing is written.

    Raises:
        OutputError: ``folder`` is no folder, or holds something and ``overwrite`` is false.
    """
    try:
        home = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if not home.is_dir():
            raise OutputError(f"{str(home)!r} is a file, not a folder; choose another --out")
        if not os.access(home, os.W_OK):
            raise OutputError(f"cannot write into {str(home)!r}: permission denied")
        if home == folder and not overwrite and any(folder.iterdir()):
            message = f"the folder {str(folder)!r} is not empty"
            raise OutputError(f"{message}; choose another --out, or add --overwrite")
    except OSError as error:
        raise OutputError(f"cannot use {str(folder)!r}: {error.strerror or error}") from error


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write all ``files`` into ``folder``; where that fails, or is interrupted, leave none.

    Raises:
        OutputError: a file cannot be written.
    """
    written: list[Path] = []
    try:
        for name, content in files.items():
            written.append(folder / name)
            with replacing(folder / name) as temporary:
                temporary.write_bytes(content)
    except BaseException:
        for path in written:
            with suppress(OSError):  # never got as far as that
                path.unlink(missing_ok=True)
        with suppress(OSError):  # holds what somebody else put there
            folder.rmdir()
        raise
