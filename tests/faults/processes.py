"""The command in a process of its own that ends where it is told to, and a small disk for it.

The process is forked, so that torch need not be loaded again. It is killed for real.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from regionwise.apps.cli import main

WRITING = {
    *("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link"),
    *("os.symlink", "tempfile.mkstemp", "shutil.rmtree"),
}
NEW_USER, NEW_MOUNTS, READ_ONLY, REMOUNT = 0x10000000, 0x00020000, 1, 32


@dataclass(frozen=True)
class Ended:
    """How a process ended: its code, or the signal below 0, and what it said."""

    code: int
    said: str


def forked(action: Callable[[], int | None], log: Path) -> int:
    """Run an action in a process of its own, whose output goes to a file; return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads, which the child has not
        number = os.fork()
    if number:
        return number
    code = 99
    signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background it is ignored
    try:
        handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        sys.stdout, sys.stderr = (open(i, "w", closefd=False, encoding="utf-8") for i in (1, 2))  # noqa: SIM115
        code = action() or 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:  # noqa: BLE001 - the parent shall see it
        traceback.print_exc()
    finally:
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def waited(number: int, log: Path) -> Ended:
    _, status = os.waitpid(number, 0)
    return Ended(os.waitstatus_to_exitcode(status), log.read_text(encoding="utf-8"))


def command(arguments: Sequence[object], log: Path) -> Ended:
    """Run the command to its end."""
    return waited(forked(lambda: main([str(a) for a in arguments]), log), log)


def cut_off(arguments: Sequence[object], log: Path, out: Path, place: int, how: int) -> Ended:
    """Run the command; send it a signal just before it changes something in a folder, again."""
    return waited(begun(arguments, log, out, place, how), log)


def begun(arguments: Sequence[object], log: Path, out: Path, place: int, how: int) -> int:
    def action() -> None:
        left = [place]

        def watch(event: str, details: tuple[object, ...]) -> None:
            if event in WRITING and _changes(event, details, str(out)):
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), how)

        sys.addaudithook(watch)
        main([str(a) for a in arguments])

    return forked(action, log)


def changes(arguments: Sequence[object], log: Path, out: Path) -> int:
    """Return how often the command changes something in a folder; it runs to its end."""
    log.with_suffix(".count").unlink(missing_ok=True)

    def action() -> None:
        seen = [0]

        def watch(event: str, details: tuple[object, ...]) -> None:
            if event in WRITING and _changes(event, details, str(out)):
                seen[0] += 1

        sys.addaudithook(watch)
        try:
            main([str(a) for a in arguments])
        finally:
            log.with_suffix(".count").write_text(str(seen[0]))

    ended = waited(forked(action, log), log)
    assert ended.code == 0, ended.said
    return int(log.with_suffix(".count").read_text())


def _changes(event: str, details: tuple[object, ...], out: str) -> bool:
    if not any(isinstance(d, str | bytes | Path) and out in os.fsdecode(d) for d in details[:2]):
        return False
    if event != "open":
        return True
    _, mode, flags = details
    writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
    return bool(writes) or (isinstance(mode, str) and any(sign in mode for sign in "wax+"))


@contextmanager
def stopped(arguments: Sequence[object], log: Path, out: Path, place: int):
    """Give a process that waits in the middle of the command; it goes on afterwards."""
    number = begun(arguments, log, out, place, signal.SIGSTOP)
    os.waitpid(number, os.WUNTRACED)
    ended: list[Ended] = []
    try:
        yield ended
    finally:
        os.kill(number, signal.SIGCONT)
        ended.append(waited(number, log))


def small_disk(folder: Path, kilobytes: int) -> None:
    """Mount a disk of this size for this process alone; skip where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    who, group = os.getuid(), os.getgid()
    if libc.unshare(NEW_USER | NEW_MOUNTS):
        _not_allowed("unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {who} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        with suppress(OSError):
            Path(f"/proc/self/{name}").write_text(text)
    folder.mkdir(parents=True, exist_ok=True)
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, f"size={kilobytes}k".encode()):
        _not_allowed("mount")


def change_disk(folder: Path, options: str, *, read_only: bool = False) -> None:
    """Change the size of such a disk, or let nothing be written on it."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = REMOUNT | (READ_ONLY if read_only else 0)
    if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options.encode()):
        _not_allowed("remount")


NOT_ALLOWED = 77


def _not_allowed(what: str) -> None:
    sys.stderr.write(f"{what}: {os.strerror(ctypes.get_errno())}\n")
    sys.stderr.flush()
    os._exit(NOT_ALLOWED)


def on_small_disk(action: Callable[[], None], log: Path) -> Ended:
    """Run an action that mounts a disk in a process; skip the test where that is not allowed."""
    ended = waited(forked(action, log), log)
    if ended.code == NOT_ALLOWED:
        pytest.skip(f"a disk of one's own is not allowed here: {ended.said.strip()}")
    return ended
