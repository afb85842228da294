"""Workers of a real Ray: the same rows as in this process, also when workers die over them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from regionwise.benchmark.pool import Lost
from regionwise.benchmark.ray import RayEngine
from regionwise.benchmark.run import Outcome, Workers, run_plan
from regionwise.errors import ModelError, OutputError, SettingError

from .test_run import rows, same

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def cluster():
    """Two CPUs of a Ray that lives as long as this file's tests."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    ray.init(
        address="local",
        num_cpus=2,
        object_store_memory=80 * 2**20,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    yield RayEngine(most=2, patience=120.0)
    ray.shutdown()


@dataclass(frozen=True)
class Doubling:
    """Doubles numbers; 13 kills whoever touches it, and 7 the first who does."""

    folder: Path
    fails: str = ""

    def open(self):
        if self.fails == "open":
            raise ModelError("there is no such model here")
        return self.done

    def done(self, number):
        if number == 13 or (number == 7 and self.first("seven")):
            os.kill(os.getpid(), signal.SIGKILL)
        if number == 3 and self.fails == "write":
            raise OutputError("cannot write '3'")
        if number == 5 and self.fails == "bug" and self.first("bug"):
            raise LookupError("nobody thought of that")
        time.sleep(0.05)
        return 2 * number, os.getpid()

    def first(self, name):
        """Return whether nobody was here before."""
        try:
            (self.folder / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True


def test_every_item_is_done_once_whoever_dies_over_it(cluster, tmp_path):
    said = []
    with cluster.opened(Doubling(tmp_path, fails="bug"), said.append) as pool:
        found = dict(pool.run([*range(12), 13]))
        workers = {pid for _, pid in (found[n] for n in range(12))}
        assert {n: found[n][0] for n in range(12)} == {n: 2 * n for n in range(12)}
        assert isinstance(found[13], Lost)
        assert "3 workers ended over the same part" in found[13].reason
        assert len(workers) >= 2
        told = [line for line in said if "another one does its part" in line]
        assert len(told) == len(said) == 1 + 1 + 2  # the seven, the bug, the first two of 13
        assert sum("LookupError: nobody thought of that" in line for line in said) == 1
        again = list(pool.run([20, 21, 22], alone=True))
        assert [n for n, _ in again] == [20, 21, 22], "one at a time, in order"
        assert len({report[1] for _, report in again}) == 1


def test_what_ends_the_work_here_ends_it_there(cluster, tmp_path):
    with (
        cluster.opened(Doubling(tmp_path, fails="write"), print) as pool,
        pytest.raises(OutputError, match="cannot write '3'"),
    ):
        list(pool.run(range(8)))
    with (
        cluster.opened(Doubling(tmp_path, fails="open"), print) as pool,
        pytest.raises(ModelError, match="no such model here"),
    ):
        list(pool.run(range(8)))


def test_a_cluster_without_room_is_told(tmp_path, cluster):
    engine = RayEngine(least=1, most=1, gpus=1.0, patience=1.0)
    with (
        engine.opened(Doubling(tmp_path), print) as pool,
        pytest.raises(SettingError, match=r"0 of at least 1 workers.*2 CPUs, 0 GPUs"),
    ):
        list(pool.run([1]))


def test_the_same_rows_as_in_this_process(cluster, planned, told, tmp_path):
    plan, context = planned(cost={"images": 1}, chunk=2)
    here = run_plan(plan, context, tmp_path / "here", told.opened)
    there = run_plan(plan, context, tmp_path / "there", told.opened, Workers(cluster))
    assert there == here == Outcome(0, len(plan.chunks), 0)
    same(rows(tmp_path / "there"), rows(tmp_path / "here"))
    assert rows(tmp_path / "there", "cost").keys() == rows(tmp_path / "here", "cost").keys()
    assert not list((tmp_path / "there").rglob(".*"))
    again = run_plan(plan, context, tmp_path / "there", told.opened, Workers(cluster))
    assert again == Outcome(len(plan.chunks), 0, 0)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(SettingError, match=r"pip install 'regionwise\[ray\]'"),
        RayEngine().opened(Doubling(tmp_path), print),
    ):
        pass


def test_a_cluster_that_is_not_there_is_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    for address in ("127.0.0.1:1", "ray://127.0.0.1:1"):
        with (
            pytest.raises(SettingError, match=rf"no Ray at '{address}': nobody listens there"),
            RayEngine(address).opened(Doubling(tmp_path), print),
        ):
            pass


def test_ray_is_loaded_by_whoever_asks_for_it_only():
    program = "import sys, regionwise.benchmark.ray; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"False"
