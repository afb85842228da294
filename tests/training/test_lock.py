"""One run at a time in a folder: a living process is waited for, a dead one is not."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from regionwise import lock
from regionwise.errors import OutputError
from regionwise.lock import LOCK, holding

HOLD = """
import sys
from pathlib import Path
from regionwise.lock import holding

with holding(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path):
    """Another process that holds ``tmp_path / "run"`` until it is killed."""
    line = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_is_made_held_and_left_clean(tmp_path):
    folder = tmp_path / "deep" / "run"
    with holding(folder):
        assert (folder / LOCK).read_text() == f"{os.getpid()}\n"
    assert list(folder.iterdir()) == []


def test_it_is_freed_when_the_run_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), holding(tmp_path):
        raise ZeroDivisionError
    assert not (tmp_path / LOCK).exists()


def test_a_living_process_is_named_and_a_killed_one_stops_nobody(other, tmp_path):
    folder = tmp_path / "run"
    says = rf"process \(number {other.pid}\) trains into"
    with pytest.raises(OutputError, match=says), holding(folder):
        pass
    assert (folder / LOCK).read_text() == f"{other.pid}\n", "the refused one leaves it alone"
    other.kill()
    other.wait()
    assert (folder / LOCK).exists()
    with holding(folder):
        assert (folder / LOCK).read_text() == f"{os.getpid()}\n"
    assert not (folder / LOCK).exists()


def test_a_second_run_is_refused_before_it_writes(other, ask, tmp_path):
    from regionwise.training.run import train  # noqa: PLC0415 - slow to load

    with pytest.raises(OutputError, match="another process"):
        train(ask(head="calm"))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {LOCK}
    assert other.poll() is None


def test_a_lock_that_was_removed_meanwhile_is_taken_anew(tmp_path, monkeypatch):
    """Between opening and locking, the one that held it had ended and removed its file."""
    locked, calls = lock._lock, []

    def slow(handle, path):
        if not calls:
            path.unlink()
        calls.append(handle)
        locked(handle, path)

    monkeypatch.setattr(lock, "_lock", slow)
    with holding(tmp_path):
        assert len(calls) == 2
        assert (tmp_path / LOCK).exists()


def test_where_files_cannot_be_locked_nobody_is_stopped(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.ENOTSUP, "not supported")

    monkeypatch.setattr(fcntl, "lockf", unsupported)
    with holding(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_where_files_are_numbered_anew_each_time_it_does_not_try_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "_is_at", lambda *_: False)
    with holding(tmp_path):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="Not a directory"), holding(tmp_path / "file" / "run"):
        pass
