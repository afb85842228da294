"""The pool over a Ray in miniature: whatever happens to whom, every item comes out once."""

from __future__ import annotations

import random
import signal
from dataclasses import dataclass

import pytest

from regionwise.benchmark import ray_pool
from regionwise.benchmark.pool import Lost
from regionwise.benchmark.ray_pool import RayPool, Staff
from regionwise.errors import ModelError, OutputError, RegionwiseError, SettingError

from .fake_ray import FakeRay

WISHES = {"num_cpus": 1.0}


@dataclass(frozen=True)
class Doubling:
    """Doubles numbers; an error says that the work cannot go on."""

    error: RegionwiseError | None = None

    def open(self):
        return self.done

    def done(self, number):
        if self.error is not None:
            raise self.error
        return 2 * number


@pytest.fixture(autouse=True)
def impatient():
    """End a test that does not end."""

    def end(*_):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def pool_over(monkeypatch):
    """Build a pool over a Ray; it and what it says."""

    def build(ray, work=Doubling(), least=1, deaths=3):
        monkeypatch.setattr(ray_pool.time, "monotonic", lambda: ray.now)
        said = []
        staff = Staff(least, ray.most, patience=100.0, deaths=deaths)
        return RayPool(ray, work, WISHES, staff, said.append), said

    return build


def test_every_item_comes_out_once_whatever_happens(pool_over):
    lost = 0
    for seed in range(300):
        chance = random.Random(seed)  # noqa: S311 - no secret
        most = chance.randint(1, 5)
        ray = FakeRay(
            seed,
            room=chance.randint(1, 6),
            most=most,
            deadly=chance.choice([0.0, 0.2, 0.5]),
            idle_deaths=chance.choice([0.0, 0.3]),
            poison=frozenset(chance.sample(range(20), chance.choice([0, 0, 2]))),
        )
        pool, said = pool_over(ray, least=min(most, ray.room, chance.randint(1, 3)))
        for items, alone in ((range(chance.randint(1, 20)), False), (range(30, 34), True)):
            ray.most_busy = 0
            found = list(pool.run(items, alone=alone))
            assert sorted(item for item, _ in found) == list(items)
            for item, report in found:
                assert isinstance(report, Lost) == (ray.deaths.get(item, 0) >= 3), (seed, item)
                assert isinstance(report, Lost) or report == 2 * item
                lost += isinstance(report, Lost)
            assert ray.most_busy <= (1 if alone else most)
        assert len(said) <= len(ray.actors)
        pool.close()
        assert ray.living == []
    assert lost > 100


@pytest.mark.parametrize("closed", [True, False])
def test_what_another_call_left_behind_is_not_mixed_in(pool_over, closed):
    for seed in range(30):
        ray = FakeRay(seed, deadly=0.2)
        pool, _ = pool_over(ray)
        first = pool.run(range(9))
        next(first)
        if closed:
            first.close()
        assert sorted(item for item, _ in pool.run(range(20, 26), alone=True)) == [*range(20, 26)]
        pool.close()
        assert ray.living == []


def test_it_does_not_begin_with_fewer_than_the_least(pool_over):
    """Also after items which one worker is enough for."""
    ray = FakeRay(room=2, most=3)
    pool, _ = pool_over(ray, least=3)
    assert list(pool.run([1])) == [(1, 2)]
    assert list(pool.run([1, 2], alone=True)) == [(1, 2), (2, 4)]
    with pytest.raises(SettingError, match="2 of at least 3 workers came within 100 s"):
        list(pool.run(range(9)))
    assert ray.now >= 100
    enough = FakeRay(room=3, most=3)
    pool, _ = pool_over(enough, least=3)
    assert len(list(pool.run(range(9)))) == 9
    enough.room = 1  # whoever goes now is not replaced
    for actor in enough.living[:2]:
        enough.kill(actor, no_restart=True)
    assert len(list(pool.run(range(9)))) == 9, "it had begun"


def test_workers_that_end_while_they_start_end_the_run(pool_over):
    ray = FakeRay(never_starts=1.0)
    pool, _ = pool_over(ray)
    with pytest.raises(ModelError, match="workers in a row ended while they started"):
        list(pool.run(range(9)))
    pool.close()
    assert ray.living == []


def test_a_worker_that_comes_late_is_waited_for_though_others_never_come(pool_over):
    for seed in range(50):
        ray = FakeRay(seed, room=6, most=6)
        fails = set(range(4))
        ray._dies = lambda call, ray=ray, fails=fails: (
            call.name == "open" and ray.actors.index(call.actor) in fails
        )
        pool, _ = pool_over(ray)
        assert len(list(pool.run(range(9)))) == 9


def test_fewer_than_the_least_that_ever_come_do_not_wait_for_ever(pool_over):
    for seed in range(20):
        ray = FakeRay(seed, room=6, most=3)
        ray._dies = lambda call, ray=ray: call.name == "open" and call.actor is not ray.actors[0]
        pool, _ = pool_over(ray, least=3)
        with pytest.raises(ModelError, match="workers in a row ended while they started"):
            list(pool.run(range(9)))
        pool.close()
        assert ray.living == []


@pytest.mark.parametrize("dead", [4, 5])
def test_who_dies_while_it_waits_is_no_fault_of_an_item(pool_over, dead):
    """Nor of those who start anew."""
    for seed in range(20):
        ray = FakeRay(seed, room=8, most=5)
        pool, _ = pool_over(ray, least=5)
        assert len(list(pool.run(range(9)))) == 9
        for actor in ray.living[:dead]:
            ray._end(actor)
        assert [report for _, report in pool.run([50])] == [100]
        pool.close()


def test_who_is_ready_stays_when_one_is_enough(pool_over):
    ray = FakeRay(room=2, most=4)
    pool, _ = pool_over(ray)
    assert len(list(pool.run(range(9)))) == 9
    ready = [actor for actor in ray.living if actor.placed]
    assert len(list(pool.run(range(3), alone=True))) == 3
    assert [actor for actor in ray.living if actor in ready], "those not there yet go first"
    assert len(ray.living) == 1


def test_a_work_that_ends_every_worker_ends_the_run(pool_over):
    ray = FakeRay(poison=frozenset(range(1000)))
    pool, _ = pool_over(ray)
    with pytest.raises(ModelError, match="no worker has lived through a part"):
        list(pool.run(range(1000)))
    assert len(ray.actors) < 20


def test_an_error_of_the_work_is_raised(pool_over):
    ray = FakeRay()
    pool, _ = pool_over(ray, Doubling(OutputError("cannot write '3'")))
    with pytest.raises(OutputError, match="cannot write '3'"):
        list(pool.run(range(9)))
    pool.close()
    assert ray.living == []
