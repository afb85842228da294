"""What a run of ``regionwise explain`` that is not alone, or goes on, must not take for its own."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from regionwise.apps import explain_job, explain_manifest, explain_run
from regionwise.apps.engine_options import EngineRequest
from regionwise.apps.explain_job import opened_job
from regionwise.apps.request import ExplainRequest
from regionwise.benchmark.pool import SIGN, Lost, Outbox, _One
from regionwise.places import LocalPlace

from .conftest import draw


@pytest.fixture
def archive(tmp_path) -> Path:
    """Return a folder with six pictures, the first two of them broken."""
    for seed in range(6):
        draw(tmp_path / "many" / f"{seed}.png", seed)
    for seed in range(2):
        (tmp_path / "many" / f"{seed}.png").write_bytes(b"no picture")
    return tmp_path / "many"


@pytest.fixture
def before(monkeypatch):
    """Do something before the n-th batch that the network sees."""

    def patch(call: int, action) -> None:
        real, calls = explain_job.explain_all, []

        def counted(*arguments, **settings):
            calls.append(arguments)
            if len(calls) == call:
                action()
            return real(*arguments, **settings)

        monkeypatch.setattr(explain_job, "explain_all", counted)

    return patch


def stop():
    raise KeyboardInterrupt


@dataclass(frozen=True)
class Blind:
    """Workers that do not see the folder; ``lost`` of their batches are never done."""

    lost: tuple[int, ...] = ()
    elsewhere: bool = True

    @contextmanager
    def opened(self, work, _):
        away = replace(work, out=Outbox(LocalPlace(Path("unseen")), work.out.sign))
        do = pickle.loads(pickle.dumps(away)).open()  # noqa: S301 - what an engine does
        yield _One(lambda batch: Lost("gone") if batch.number in self.lost else do(batch))


BATCHES = ("--batch-size", 2)
RAY = ("--engine", "ray", "--workers", "2")


def test_the_first_that_works_ends_what_was_there_also_in_a_second_part(explain, archive, before):
    """A batch in which nothing could be read proves nothing; the old manifest stays until then."""
    assert explain(archive, *BATCHES, "--target", "0").code == 1
    before(1, stop)
    assert explain(archive, *BATCHES, "--overwrite").code == 130
    assert json.loads(Path("out/manifest.json").read_text())["target"] == "0"
    assert [p.name for p in Path("out/.regionwise").iterdir()].count("0000000.json") == 1
    before(2, stop)
    ended = explain(archive, *BATCHES, "--resume")
    assert ended.code == 130
    assert ended.err.startswith("going on: 1 of 3 batches\n")
    assert not Path("out/manifest.json").exists()
    assert not Path("out/sheet.png").exists()


@pytest.mark.parametrize("damage", ["{", "[]", '{"images": [3], "failed": [], "notes": []}'])
def test_a_damaged_record_is_named_and_done_again(explain, archive, before, damage):
    before(2, stop)
    assert explain(archive, *BATCHES).code == 130
    record = Path("out/.regionwise/0000001.json")
    record.write_text(damage)
    refused = explain(archive, *BATCHES, "--resume")
    assert refused.code == 2
    assert "'out/.regionwise/0000001.json' is damaged; remove it" in refused.err
    assert refused.err.count("\n") <= 2
    record.unlink()
    ended = explain(archive, *BATCHES, "--resume")
    assert ended.out.startswith("4 images explained")


def test_a_memory_that_vanishes_in_mid_run_is_told(explain, archive, before):
    before(2, lambda: shutil.rmtree("out"))
    ended = explain(archive, *BATCHES)
    assert ended.code == 2
    assert "what was remembered in 'out/.regionwise' of" in ended.err
    assert not Path("out/manifest.json").exists()
    ended = explain(archive, *BATCHES, "--resume", "--overwrite")
    assert ended.out.startswith("4 images explained")


def test_a_file_of_many_images_does_not_outlive_them(explain, archive, monkeypatch):
    draw(archive / "images.jsonl.png")
    with monkeypatch.context() as patched:
        patched.setattr(explain_manifest, "INLINE", 3)
        assert explain(archive, *BATCHES).code == 1
    assert Path("out/images.jsonl").read_text().count("\n") == 5
    assert Path("out/images.jsonl-2/cam.png").is_file()
    assert explain(archive, *BATCHES, "--overwrite").code == 1
    assert not Path("out/images.jsonl").exists()


def test_a_run_that_was_faster_is_not_written_over(explain, archive, monkeypatch):
    """Both find the folder empty; one is done before the other has loaded its model."""
    real, other = explain_run.opened_job, []

    def slow(request, device):
        if not other:
            other.append(1)
            assert explain(archive, "--target", "0").code == 1
        return real(request, device)

    monkeypatch.setattr(explain_run, "opened_job", slow)
    refused = explain(archive)
    assert refused.code == 2
    assert "the folder 'out' is not empty" in refused.err
    assert json.loads(Path("out/manifest.json").read_text())["target"] == "0"


def test_two_runs_of_one_image(explain, pictures):
    """Nothing is remembered of such a run, but it is alone in its folder, too."""
    Path("out/.regionwise").mkdir(parents=True)
    Path("out/.regionwise/run.lock").touch()  # left by one that was killed
    holder = "from pathlib import Path\nfrom regionwise.lock import holding\n"
    holder += "with holding(Path('out/.regionwise')):\n    print(flush=True)\n    input()"
    process = subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        process.stdout.readline()
        refused = explain(pictures / "a.png")
        assert refused.code == 2
        assert f"another process (number {process.pid}) explains into 'out" in refused.err
    finally:
        process.communicate("\n", timeout=20)
    Path("out/.regionwise").mkdir(parents=True, exist_ok=True)
    Path("out/.regionwise/run.lock").touch()
    assert explain(pictures / "a.png").code == 0
    assert not Path("out/.regionwise").exists()


def test_engines_go_on_where_another_one_was(models):
    request = ExplainRequest(images=("x",), model=f"{models}:net", methods=("cam",))
    other = replace(request, engine=EngineRequest("ray", "auto", "4", 2.0), batch_size=3)
    assert opened_job(request, "cpu").identity() == opened_job(other, "cpu").identity()


def test_workers_that_see_nothing(explain, archive, before, monkeypatch):
    """All that they make is written by the driver: also that a batch is done."""
    assert explain(archive, *BATCHES).code == 1
    monkeypatch.setattr(explain_run, "engine_of", lambda _: Blind())
    before(2, stop)
    assert explain(archive, *BATCHES, "--overwrite").code == 130
    assert not Path("out/manifest.json").exists(), "of another run"
    assert {p.name for p in Path("out/.regionwise").iterdir()} == {
        *("run.json", "0000000.json", "0000001.json")
    }
    ended = explain(archive, *BATCHES, "--resume")
    assert ended.err.startswith("going on: 2 of 3 batches\n")
    assert ended.out.startswith("4 images explained by 1 method, 2 skipped")
    assert not Path("unseen").exists()
    assert not Path("out", SIGN).exists()


def test_what_is_left_to_do_is_done_later(explain, archive, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(explain_run, "engine_of", lambda _: Blind(lost=(2,)))
        ended = explain(archive, *BATCHES)
    assert ended.code == 1
    assert ended.out == "2 images explained, 2 left to do; --resume tries them: out\n"
    assert not Path("out/manifest.json").exists()
    ended = explain(archive, *BATCHES, "--resume")
    assert ended.err.startswith("going on: 2 of 3 batches\n")
    assert ended.out.startswith("4 images explained by 1 method, 2 skipped")


@pytest.mark.parametrize("option", ["--resume", "--overwrite"])
def test_what_a_killed_driver_and_its_workers_left_goes_away(explain, archive, before, option):
    before(2, stop)
    assert explain(archive, *BATCHES).code == 130
    Path("out/4").mkdir()
    for name in (SIGN, ".half-a.png", ".regionwise/.half-b.json", "4/.half-c.npz"):
        Path("out", name).write_text("half")
    ended = explain(archive, *BATCHES, option)
    assert ended.code == 1
    assert ended.err.startswith("going on: ") == (option == "--resume"), "or all is done again"
    assert not list(Path("out").rglob(".*"))


SLOW = """
import time

class Slow(nn.Module):
    def forward(self, x):
        time.sleep(0.3)
        return x

def slow():
    found = net()
    found.module.insert(0, Slow())
    return found
"""


@pytest.mark.slow
@pytest.mark.parametrize(("how", "then"), [(signal.SIGKILL, ()), (signal.SIGINT, RAY)])
def test_workers_on_ray_that_are_cut_off(run, archive, models, how, then):
    """The driver is killed, or all are interrupted as in a terminal; another engine goes on."""
    pytest.importorskip("ray")
    models.write_text(models.read_text() + SLOW)
    shared = [str(archive), "--model", f"{models}:slow", "--method", "cam"]
    shared += ["--batch-size", "1"]
    assert run("explain", *shared, "--out", "whole").code == 1
    line = [sys.executable, "-m", "regionwise", "explain", *shared, "--out", "out", "--resume"]
    process = subprocess.Popen(
        [*line, *RAY], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    while not Path("out/.regionwise/0000003.json").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    (os.kill if how == signal.SIGKILL else os.killpg)(process.pid, how)
    _, words = process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -how), words
    assert "Traceback" not in words
    assert not Path("out/manifest.json").exists()
    done = subprocess.run([*line, *then], capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stderr.startswith("going on: ")
    assert done.stdout.startswith("4 images explained by 1 method, 2 skipped")
    assert not list(Path("out").rglob(".*"))
    assert Path("out/manifest.json").read_text() == Path("whole/manifest.json").read_text()
    for path in Path("whole").rglob("*.npz"):
        mine, theirs = (
            np.load(one)["saliency"] for one in (path, "out" / path.relative_to("whole"))
        )
        np.testing.assert_allclose(theirs, mine, rtol=1e-5)
