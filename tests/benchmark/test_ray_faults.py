"""Real faults under a real Ray: workers killed, a machine gone, the driver killed, Ctrl-C.

Each time every row is there once and equals that of a run in this process.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from regionwise.benchmark.ledger import finished
from regionwise.benchmark.ray import RayEngine
from regionwise.benchmark.run import Outcome, Workers, run_plan

from .test_run import rows, same

ray = pytest.importorskip("ray")
pytestmark = pytest.mark.slow

NETS = """
import os, signal, time
from pathlib import Path
import torch
from torch import nn
from regionwise import Classifier, Preprocessing

class Slow(nn.Module):
    def forward(self, x):
        home = Path({home!r})
        if os.getpid() != int((home / "driver").read_text()):
            time.sleep(float((home / "pause").read_text()))
            if (home / "deadly").exists():
                try:
                    (home / "dead").touch(exist_ok=False)
                except FileExistsError:
                    return x
                os.kill(os.getpid(), signal.SIGKILL)
        return x

def net():
    torch.manual_seed(0)
    module = nn.Sequential(
        Slow(), nn.Conv2d(3, 6, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(6, 3),
    )
    module[-1].weight.data *= 30
    return Classifier(module, Preprocessing(size=(32, 32), resize=None))
"""

RECIPE = """
chunk = 1
title = "Tiny"
[[methods]]
use = ["grad-cam", "score-cam", "random"]
[[metrics]]
use = ["average-drop", "win", "deletion:steps=8"]
[cost]
images = 1
"""


@pytest.fixture
def slow(tmp_path):
    """Return a network that takes its time in workers; it kills one if there is a file `deadly`."""
    (tmp_path / "driver").write_text(str(os.getpid()))
    (tmp_path / "pause").write_text("0.05")
    (tmp_path / "nets.py").write_text(NETS.format(home=str(tmp_path)))
    return f"{tmp_path / 'nets.py'}:net"


@pytest.fixture
def whole(planned, told, slow, tmp_path):
    """Return plan, context and rows of a run in this process."""
    plan, context = planned(models=[slow], chunk=1)
    run_plan(plan, context, tmp_path / "whole", told.opened)
    return plan, context, rows(tmp_path / "whole")


def small(**settings):
    return {
        "object_store_memory": 80 * 2**20,
        "include_dashboard": False,
        "log_to_driver": False,
        "configure_logging": False,
        **settings,
    }


def test_a_worker_killed_in_mid_run(whole, told, tmp_path):
    plan, context, rows_here = whole
    (tmp_path / "deadly").touch()
    ray.init(address="local", num_cpus=2, **small())
    try:
        engine = RayEngine(most=2, patience=120)
        outcome = run_plan(plan, context, tmp_path / "out", told.opened, Workers(engine))
    finally:
        ray.shutdown()
    assert (tmp_path / "dead").exists(), "nobody died"
    assert "a worker ended (it was killed, or crashed); another one does its part" in told.said
    assert outcome == Outcome(0, len(plan.chunks), 0)
    same(rows(tmp_path / "out"), rows_here)
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_machine_removed_in_mid_run(whole, told, tmp_path):
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - the extra

    plan, context, rows_here = whole
    out = tmp_path / "out"
    (tmp_path / "pause").write_text("0.3")  # all three are busy when one goes
    node = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    leaving = cluster.add_node(**node)
    cluster.add_node(**node)

    def remove():
        deadline = time.monotonic() + 200
        while len(finished(out)) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        before.append(len(finished(out)))
        cluster.remove_node(leaving, allow_graceful=False)

    before, remover = [], Thread(target=remove)
    try:
        ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
        assert ray.cluster_resources()["CPU"] == 3
        remover.start()
        engine = RayEngine(least=3, most=3, patience=200)
        outcome = run_plan(plan, context, out, told.opened, Workers(engine))
        remover.join()
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert before[0] < len(plan.chunks), "the machine was there to the end"
    assert outcome == Outcome(0, len(plan.chunks), 0)
    assert any("another one does its part" in line for line in told.said), told.said
    same(rows(out), rows_here)


@pytest.fixture
def command(birds, slow, tmp_path):
    """Return the command line of a benchmark by two workers of a Ray of its own."""
    (tmp_path / "tiny.toml").write_text(RECIPE)
    options = ("--data", f"birds:{birds}", "--model", slow, "--engine", "ray", "--workers", "2")

    def line(out, *more):
        arguments = ["benchmark", str(tmp_path / "tiny.toml"), *options, "--out", str(out), *more]
        return [sys.executable, "-m", "regionwise", *arguments]

    return line


def started(line, out: Path):
    """Start a command; return it and all its processes when two chunks are done."""
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 200
    while len(finished(out)) < 2:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return process, below(process.pid)


def below(pid: int) -> set[int]:
    """Return the processes that one has started, and that those have."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def ended(children: set[int]) -> bool:
    """Return whether all are gone within half a minute, but for agents of Ray that take two."""
    deadline = time.monotonic() + 30
    while left := [pid for pid in children if is_working(pid)]:
        if time.monotonic() > deadline:
            return not left
        time.sleep(0.1)
    return len(children) > 2


def is_working(pid: int) -> bool:
    try:
        return b"Agent" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_driver_that_is_ended_goes_on_when_it_is_started_again(command, tmp_path, how):
    done = subprocess.run(
        [a for a in command(tmp_path / "here") if a not in {"--engine", "ray", "--workers", "2"}],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    process, children = started(command(out), out)
    process.send_signal(how)
    _, words = process.communicate(timeout=60)
    codes = {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}
    assert process.returncode == codes[how], words
    assert "Traceback" not in words
    assert ended(children), "Ray outlives its driver"
    if how == signal.SIGINT:
        assert words.count("\n") == 1
        assert words.splitlines()[-1].endswith("the same command goes on from there")
    before = len(finished(out))
    assert 2 <= before < 6
    again = subprocess.run(command(out), capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert again.stderr.startswith(f"going on: {before} of 6 chunks are done")
    same(rows(out), rows(tmp_path / "here"))
    assert not list(out.rglob(".*"))
