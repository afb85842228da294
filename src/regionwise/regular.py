"""Reading a file that must be one: whoever opens a pipe waits for a writer, perhaps for ever."""

from __future__ import annotations

import errno
from pathlib import Path


def bytes_of(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: there is none, it cannot be read, or it is something else.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    return path.read_bytes()


def text_of(path: Path) -> str:
    r"""Return the content of a regular file of UTF-8, with a line's end as ``\\n`` everywhere.

    Raises:
        OSError: as :func:`bytes_of`.
        UnicodeDecodeError: it is no text.
    """
    return bytes_of(path).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
