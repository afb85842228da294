"""One run at a time in a folder."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from regionwise.errors import OutputError

LOCK: Final = "run.lock"

_BUSY: Final = {errno.EACCES, errno.EAGAIN}
_UNKNOWN: Final = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}
_TRIES: Final = 100
"""How often the file may have been another one; some network drives number files as they like."""


class _HeldError(Exception):
    """Another process has the lock; says which, as far as that is known."""


@contextmanager
def holding(folder: Path, doing: str = "trains into") -> Iterator[None]:
    """Keep the folder to this process; make it if it is not there.

    The system frees the lock when the process ends, however it ends: a file ``run.lock`` that a
    killed process left stops nobody. It holds the process's number. Where files cannot be locked
    (some network drives, Windows) nothing is refused.
    ``doing`` is what another process is said to do there.

    Raises:
        OutputError: another process works in the folder, or it cannot be written to.
    """
    path = folder / LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _opened(path)
    except _HeldError as error:
        raise OutputError(
            f"another process{error} {doing} {str(folder)!r}; wait for it, or choose another --out"
        ) from error
    except OSError as error:
        raise OutputError(f"cannot write {str(path)!r}: {error.strerror or error}") from error
    try:
        with suppress(OSError):  # a full disk: the lock holds without its number
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        os.close(handle)


def _opened(path: Path) -> int:
    """Return the locked file that is at this path, and not one that was there before."""
    tried = 0
    while True:
        tried += 1
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle, path)
            if _is_at(handle, path) or tried == _TRIES:
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _lock(handle: int, _: Path) -> None:
    if sys.platform == "win32":
        return
    import fcntl  # noqa: PLC0415 - not on Windows

    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _UNKNOWN:
            return
        if error.errno not in _BUSY:
            raise
        number = os.read(handle, 20).decode(errors="replace").strip()
        which = f" (number {number})" if number else ""
        raise _HeldError(which) from error


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
