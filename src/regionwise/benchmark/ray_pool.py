"""Actors that wait for items: handing out, taking back what a dead one had, and replacing it.

One item at a time is with each worker, so that a death says which item it befell, and a run that is
cut off repeats at most one item per worker.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic

from regionwise.benchmark.pool import Item, Lost, Report, Say, Work
from regionwise.errors import ModelError, RegionwiseError, SettingError
from regionwise.trust import VARIABLE

_TICK: Final = 1.0
"""Seconds after which waiting looks up, for Ctrl-C and for patience."""


@dataclass(frozen=True)
class Staff:
    """How many workers, and how much is borne with; as in ``RayEngine``."""

    least: int
    most: int
    patience: float
    deaths: int


class Worker:
    """An actor. What goes wrong on purpose is returned: Ray would wrap it when raised."""

    def __init__(self, threads: int, folder: str, trusted: str) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is loaded
        os.environ[VARIABLE] = trusted  # whose code runs is for the driver's user to say
        self._threads = threads
        if Path(folder).is_dir():
            os.chdir(folder)  # relative paths mean what they mean to the driver
        self._do: Callable[[Any], Any] | None = None

    def open(self, work: Work[Any, Any]) -> RegionwiseError | None:
        """Load what the work needs."""
        try:
            self._do = work.open()
        except RegionwiseError as error:
            return error
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(self._threads)
        return None

    def do(self, item: Any) -> Any:
        """Do an item."""
        if self._do is None:
            return ModelError("a worker was given something to do before it was open")
        try:
            return self._do(item)
        except RegionwiseError as error:
            return error


@dataclass
class _Shift(Generic[Item]):
    """The items of one call: what is left (with its number), and how often each took a worker."""

    todo: deque[tuple[int, Item]]
    deaths: Counter[int] = field(default_factory=Counter)


class RayPool(Generic[Item, Report]):
    """A pool over a Ray that is connected."""

    def __init__(
        self,
        ray: Any,
        work: Work[Item, Report],
        wishes: dict[str, Any],
        staff: Staff,
        say: Say,
    ) -> None:
        self._ray, self._staff, self._say = ray, staff, say
        self._work = ray.put(work)
        self._kind = ray.remote(max_restarts=0, max_task_retries=0, **wishes)(Worker)
        self._threads = max(1, int(wishes["num_cpus"]))
        self._starting: dict[Any, Any] = {}
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int, Item]] = {}
        self._begun = False
        self._stillborn = 0
        self._moved = time.monotonic()

    def run(
        self, items: Sequence[Item], *, alone: bool = False
    ) -> Iterator[tuple[Item, Report | Lost]]:
        """Yield items as they are done, in any order; ``alone``: by one worker."""
        shift = _Shift(deque(enumerate(items)))
        self._moved = time.monotonic()
        while shift.todo or self._busy:
            self._hire(1 if alone else self._staff.most, shift)
            self._hand_out(shift, least=1 if alone else self._staff.least)
            for ref in self._awaited():
                done = self._taken(ref, shift)
                if done is not None:
                    yield done

    def close(self) -> None:
        """End all workers."""
        for actor in [*self._starting.values(), *self._idle, *(b[0] for b in self._busy.values())]:
            self._end(actor)
        self._starting, self._idle, self._busy = {}, [], {}

    def _hire(self, most: int, shift: _Shift[Item]) -> None:
        """Start or end workers, so that there are as many as have something to do."""
        wanted = min(most, len(shift.todo) + len(self._busy))
        while len(self._starting) + len(self._idle) + len(self._busy) > max(wanted, 1):
            if self._idle:
                self._end(self._idle.pop())
            elif self._starting and self._busy:
                self._end(self._starting.popitem()[1])
            else:
                break
        alive = len(self._idle) + len(self._busy)
        if self._stillborn >= self._staff.deaths and alive:
            return  # where some work and others never come, those that work are enough
        while len(self._starting) + len(self._idle) + len(self._busy) < wanted:
            trusted = os.environ.get(VARIABLE, "")
            actor = self._kind.remote(self._threads, str(Path.cwd()), trusted)
            self._starting[actor.open.remote(self._work)] = actor

    def _hand_out(self, shift: _Shift[Item], least: int) -> None:
        ready = len(self._idle) + len(self._busy)
        self._begun = self._begun or ready >= min(least, len(shift.todo))
        while self._begun and self._idle and shift.todo:
            actor = self._idle.pop()
            number, item = shift.todo.popleft()
            self._busy[actor.do.remote(item)] = (actor, number, item)

    def _awaited(self) -> list[Any]:
        """Return what is ready, at least one, if need be after some time.

        Raises:
            SettingError: nobody works, and no worker came in time.
        """
        refs = [*self._busy, *self._starting]
        if not refs:
            return []
        ready: list[Any] = []
        while not ready:
            ready, _ = self._ray.wait(refs, num_returns=1, timeout=_TICK)
            if self._busy or ready:
                self._moved = time.monotonic()
            elif time.monotonic() - self._moved > self._staff.patience:
                raise SettingError(self._impatience())
        return ready

    def _impatience(self) -> str:
        has = self._ray.cluster_resources()
        there = ", ".join(f"{has.get(name, 0):g} {name}s" for name in ("CPU", "GPU"))
        return (
            f"{len(self._idle)} of at least {self._staff.least} workers came within"
            f" {self._staff.patience:g} s; the cluster has {there}; ask for fewer with --workers,"
            " or for less with --cpus-per-worker and --gpus-per-worker"
        )

    def _taken(self, ref: Any, shift: _Shift[Item]) -> tuple[Item, Report | Lost] | None:
        """Take an answer, and send whoever gave it back into the pool."""
        if ref in self._starting:
            self._welcome(ref)
            return None
        actor, number, item = self._busy.pop(ref)
        try:
            answer = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            return self._bereaved(actor, (number, item), error, shift)
        if isinstance(answer, RegionwiseError):
            self._end(actor)
            raise answer
        self._idle.append(actor)
        return item, answer

    def _welcome(self, ref: Any) -> None:
        """Take a worker into the pool; some never come, and three in a row are too many."""
        actor = self._starting.pop(ref)
        try:
            answer = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._end(actor)
            self._stillborn += 1
            if self._stillborn >= self._staff.deaths and not self._idle and not self._busy:
                raise ModelError(
                    f"{self._stillborn} workers in a row ended while they started: {_why(error)}"
                ) from error
            return
        if isinstance(answer, RegionwiseError):
            self._end(actor)
            raise answer
        self._stillborn = 0
        self._idle.append(actor)

    def _bereaved(
        self, actor: Any, had: tuple[int, Item], error: Exception, shift: _Shift[Item]
    ) -> tuple[Item, Report | Lost] | None:
        """Give a dead worker's item to another one, unless it was the end of too many."""
        self._end(actor)
        number, item = had
        shift.deaths[number] += 1
        if shift.deaths[number] >= self._staff.deaths:
            return item, Lost(
                f"{shift.deaths[number]} workers ended over the same part, which is left out:"
                f" {_why(error)}; the same command tries it again"
            )
        self._say(f"a worker ended ({_why(error)}); another one does its part")
        shift.todo.appendleft(had)
        return None

    def _end(self, actor: Any) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(actor, no_restart=True)


def _why(error: Exception) -> str:
    """Return in a few words why an actor has no answer."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):
        first = (str(cause).strip().splitlines() or [""])[0][:200]
        return f"{type(cause).__name__}: {first}"
    known = {
        "OutOfMemoryError": "its machine was out of memory",
        "ActorUnavailableError": "it cannot be reached any more",
    }
    return known.get(type(error).__name__, "it was killed, or crashed")
