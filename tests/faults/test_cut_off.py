"""Runs that are killed, interrupted, out of disk, or not alone: whole files only, and they go on.

Every place is tried at which a run changes something in its folder (a sample of them by default):
it is killed just before, must leave whole files only, and the same command must end with the very
rows, maps and files of a run that nobody disturbed.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import tarfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from regionwise.apps.cli import main
from regionwise.benchmark.rows import KEY
from regionwise.data.birds import write_birds

from .conftest import NETS
from .corpus import soft
from .processes import (
    Ended,
    change_disk,
    changes,
    command,
    cut_off,
    on_small_disk,
    small_disk,
    stopped,
)

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

RECIPE = """
chunk = 2
title = "Tiny"
[[methods]]
use = ["grad-cam", "random"]
[[metrics]]
use = ["area", "average-drop"]
[cost]
images = 0
"""
PARTS = {".parquet", ".npz", ".tar"}
COMMANDS = ("benchmark", "explain", pytest.param("shards", marks=pytest.mark.slow))


class Runs:
    """A command into folders of a home, and what it leaves when nobody disturbs it."""

    def __init__(self, home: Path, kind: str) -> None:
        self.home, self.kind = home, kind
        self.reference: dict[str, object] = {}
        self.places = 0

    def ask(self, out: Path, *, again: bool = False) -> Sequence[object]:
        model = ("--model", f"{self.home / 'nets.py'}:net", "--out", out)
        if self.kind == "benchmark":
            return (
                "benchmark",
                self.home / "tiny.toml",
                "--data",
                f"birds:{self.home / 'birds'}",
                *model,
            )
        more = ("--method", "cam", "--batch-size", 1, *(["--resume"] if again else []))
        more += ("--format", "webdataset") if self.kind == "shards" else ()
        return ("explain", self.home / "pics", *model, *more)

    def to_the_end(self, out: Path, log: Path) -> Ended:
        """Go on until it is done."""
        ended = command(self.ask(out, again=True), log)
        assert ended.code == 0, ended.said
        return ended

    def hold(self, out: Path) -> None:
        """Hold that the folder is what an undisturbed run leaves, every row and map once."""
        assert contents(out) == self.reference


def contents(out: Path) -> dict[str, object]:
    """Return what a folder says; rows by key, each once; pictures by their pixels."""
    found: dict[str, object] = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".parquet":
            rows = pq.read_table(path).to_pylist()
            for row in rows:
                key = ("row", *(repr(row[column]) for column in KEY))
                assert key not in found, "a row is there twice"
                found[str(key)] = repr((row["value"], row["cell"], row["error"]))
        elif path.suffix == ".tar":
            found[name] = path.read_bytes()
        elif path.suffix == ".npz":
            held = np.load(path)
            found[name] = {key: held[key].tobytes() for key in held.files}
        elif path.suffix == ".png":
            found[name] = Image.open(path).tobytes()
        elif path.suffix == ".json":
            found[name] = json.loads(path.read_text().replace(str(out), "OUT"))
        else:
            found[name] = path.read_text().replace(str(out), "OUT")
    return found


def whole(out: Path) -> dict[Path, int]:
    """Hold that every file under a name of its own is whole; return which they are."""
    shown = [p for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")]
    for path in shown:
        if path.suffix == ".parquet":
            pq.read_table(path)
        elif path.suffix == ".tar":
            with tarfile.open(path) as tar:
                assert len(tar.getmembers()) == 3
        elif path.suffix == ".npz":
            dict(np.load(path))
        elif path.suffix == ".png":
            Image.open(path).load()
        elif path.suffix == ".json":
            json.loads(path.read_text())
    return {path: path.stat().st_ino for path in shown}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict[str, Runs]:
    home = tmp_path_factory.mktemp("cut")
    (home / "nets.py").write_text(NETS)
    (home / "tiny.toml").write_text(RECIPE)
    write_birds(home / "birds", classes=3, images_per_class=2, size=32)
    (home / "pics").mkdir()
    for seed in range(3):
        soft("RGB", (40, 36), seed).save(home / "pics" / f"{seed}.png")
    return {kind: Runs(home, kind) for kind in ("benchmark", "explain", "shards")}


@pytest.fixture(params=COMMANDS)
def runs(request, made) -> Runs:
    """A command, tried once undisturbed."""
    found = made[request.param]
    if not found.reference:
        out, log = found.home / f"calm-{found.kind}", found.home / "log"
        with suppress(SystemExit):  # here, so that all is loaded that processes inherit
            main([str(a) for a in found.ask(found.home / f"first-{found.kind}")])
        found.places = changes(found.ask(out), log, out)
        found.reference = contents(out)
        assert found.places > 15
    return found


SAMPLE = [
    pytest.param(slice(1, None, 11), id="some"),
    pytest.param(slice(None), marks=pytest.mark.slow, id="all"),
]


@pytest.mark.parametrize("some", SAMPLE)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_at_any_place_it_goes_on(runs, tmp_path, how, some):
    for place in list(range(1, runs.places + 1))[some]:
        out, log = tmp_path / f"out-{place}", tmp_path / "log"
        ended = cut_off(runs.ask(out), log, out, place, how)
        assert ended.code == (130 if how == signal.SIGINT else -how), (place, ended)
        assert "Traceback" not in ended.said
        before = whole(out) if out.exists() else {}
        runs.to_the_end(out, log)
        runs.hold(out)
        kept = [p for p, inode in before.items() if p.suffix in PARTS and p.stat().st_ino == inode]
        done = [p for p in before if p.suffix in PARTS]
        assert len(kept) >= len(done) - 1, "more than one chunk was done again"


def test_killed_again_and_again(runs, tmp_path):
    """Each time it gets a little further; nothing is done for ever."""
    out, log = tmp_path / "out", tmp_path / "log"
    for _ in range(4):
        cut_off(runs.ask(out, again=True), log, out, max(6, runs.places // 4), signal.SIGKILL)
        whole(out)
    runs.to_the_end(out, log)
    runs.hold(out)


def test_two_runs_into_one_folder(runs, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    with stopped(runs.ask(out), log, out, runs.places // 2) as first:
        second = command(runs.ask(out, again=True), tmp_path / "second")
        assert second.code == 2
        assert "another process (number " in second.said
        assert second.said.count("\n") == 1
    assert first[0].code == 0, first[0].said
    runs.hold(out)


def full_disk(runs: Runs, out: Path, kilobytes: int) -> None:
    """On a disk that is too small, then on one that is large enough; raises what is wrong."""
    small_disk(out.parent, kilobytes)
    log = runs.home / "inner"
    ended = command(runs.ask(out), log)
    assert ended.code == 2, ended
    assert "No space left on device" in ended.said
    assert ended.said.count("\n") == 1
    assert str(out) in ended.said
    before = whole(out) if out.exists() else {}
    left = [p for p in out.rglob(".*") if p.is_file()] if out.exists() else []
    assert not left, "half a file is left"
    change_disk(out.parent, "size=20m")
    runs.to_the_end(out, log)
    runs.hold(out)
    assert all(path.exists() for path in before if path.suffix == ".parquet")


@pytest.mark.parametrize("kilobytes", [4, 24, 32])
def test_a_full_disk(runs, tmp_path, kilobytes):
    out = tmp_path / "disk" / "out"
    ended = on_small_disk(lambda: full_disk(runs, out, kilobytes), tmp_path / "log")
    assert ended.code == 0, ended.said


def test_files_that_may_not_grow(runs, tmp_path):
    """Another way to be out of space, that needs no disk: a limit on the size of files."""
    out, log = tmp_path / "out", tmp_path / "log"

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (700, resource.RLIM_INFINITY))
        ended = command(runs.ask(out), runs.home / "inner")
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        assert ended.code == 2, ended
        assert "File too large" in ended.said

    ended = on_small_disk(limited, log)
    assert ended.code == 0, ended.said
    whole(out)
    runs.to_the_end(out, log)
    runs.hold(out)


def read_only(runs: Runs, out: Path) -> None:
    small_disk(out.parent, 20_000)
    change_disk(out.parent, "size=20m", read_only=True)
    ended = command(runs.ask(out), runs.home / "inner")
    assert ended.code == 2, ended
    assert str(out) in ended.said or str(out.parent) in ended.said
    assert ended.said.count("\n") == 1
    assert list(out.parent.iterdir()) == []


def test_a_folder_that_cannot_be_written(runs, tmp_path):
    ended = on_small_disk(lambda: read_only(runs, tmp_path / "disk" / "out"), tmp_path / "log")
    assert ended.code == 0, ended.said


def test_a_folder_below_a_file(runs, tmp_path):
    (tmp_path / "file").write_text("mine")
    ended = command(runs.ask(tmp_path / "file" / "out"), tmp_path / "log")
    assert ended.code == 2
    assert ended.said.count("\n") == 1
    assert (tmp_path / "file").read_text() == "mine"


def test_the_clock_is_set_back(runs, tmp_path, monkeypatch):
    """Nothing asks what time it is, neither the clock nor a file."""
    out, log = tmp_path / "out", tmp_path / "log"
    cut_off(runs.ask(out), log, out, 2 * runs.places // 3, signal.SIGKILL)
    for path in out.rglob("*"):
        os.utime(path, (4e9, 4e9))
    now = [2e9]

    def backwards() -> float:
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", backwards)
    monkeypatch.setattr(time, "time_ns", lambda: int(backwards() * 1e9))
    runs.to_the_end(out, log)
    runs.hold(out)


def test_what_a_killed_run_left_half_written_is_removed(runs, tmp_path):
    out, log = tmp_path / "out", tmp_path / "log"
    cut_off(runs.ask(out), log, out, runs.places // 2, signal.SIGKILL)
    half = [folder / ".half-x.parquet" for folder in (out, out / "rows") if folder.is_dir()]
    for path in half if runs.kind == "benchmark" else ():
        path.write_bytes(b"PAR1")
    runs.to_the_end(out, log)
    runs.hold(out)
    assert not [path for path in out.rglob(".*") if path.is_file()]
