"""Actors that wait for items: handing out, taking back what a dead one had, and replacing it.

One item at a time is with each worker, so that a death says which item it befell, and a run that is
cut off repeats at most one item per worker.
"""

from __future__ import annotations

import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic

from regionwise.benchmark.pool import Item, Lost, Report, Say, Work
from regionwise.benchmark.ray_worker import Worker, why_ended
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
        self._coming: dict[Any, tuple[Any, bool]] = {}  # with whether it has been here before
        self._idle: list[Any] = []
        self._busy: dict[Any, tuple[Any, int, Item]] = {}
        self._begun = self._worked = False
        self._failed_starts = self._lost = 0
        self._moved = time.monotonic()

    def run(
        self, items: Sequence[Item], *, alone: bool = False
    ) -> Iterator[tuple[Item, Report | Lost]]:
        """Yield items as they are done, in any order; ``alone``: by one worker.

        What is left of a call that was not heard to its end is given up.

        Raises:
            RegionwiseError: an item says that the work cannot go on, or no worker lives.
        """
        self._give_up()
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
        self._give_up()
        for actor in [*(actor for actor, _ in self._coming.values()), *self._idle]:
            self._end(actor)
        self._coming, self._idle = {}, []

    def _give_up(self) -> None:
        """End whoever is at something."""
        for actor, *_ in self._busy.values():
            self._end(actor)
        self._busy = {}

    def _hire(self, most: int, shift: _Shift[Item]) -> None:
        """Start workers until all work has one; end those above the most.

        Who has nothing to do stays: it takes over when another one ends.
        """
        self._dismiss(most)
        if self._failed_starts >= self._staff.deaths and self._others():
            return  # where some work and others never come, those that work are enough
        wanted = min(most, len(shift.todo) + len(self._busy))
        while self._staffed() < wanted:
            trusted = os.environ.get(VARIABLE, "")
            actor = self._kind.remote(self._threads, str(Path.cwd()), trusted)
            self._coming[actor.open.remote(self._work)] = (actor, False)

    def _dismiss(self, most: int) -> None:
        """End those above the most, first who is not there yet; who is at something stays."""
        while self._staffed() > most:
            if self._coming and (self._idle or self._busy or len(self._coming) > most):
                self._end(self._coming.popitem()[1][0])
            elif self._idle:
                self._end(self._idle.pop())
            else:
                return

    def _staffed(self) -> int:
        return len(self._coming) + len(self._idle) + len(self._busy)

    def _others(self) -> bool:
        """Return whether it goes on without new ones."""
        return bool(self._coming or self._busy or (self._begun and self._idle))

    def _hand_out(self, shift: _Shift[Item], least: int) -> None:
        """Give items out as soon as the least are there, or as many as there are items.

        It has begun for the calls that follow, too: when a machine has gone nobody waits again.
        """
        ready = len(self._idle) + len(self._busy)
        self._begun = self._begun or ready >= self._staff.least
        enough = self._begun or ready >= min(least, len(shift.todo))
        while enough and self._idle and shift.todo:
            actor = self._idle.pop()
            number, item = shift.todo.popleft()
            self._busy[actor.do.remote(item)] = (actor, number, item)

    def _awaited(self) -> list[Any]:
        """Return what is ready, at least one, if need be after some time.

        Raises:
            SettingError: nobody works, and no worker came in time.
        """
        refs = [*self._busy, *self._coming]
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
        if ref in self._coming:
            self._welcome(ref)
            return None
        actor, number, item = self._busy.pop(ref)
        try:
            answer = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            return self._without_answer(actor, (number, item), error, shift)
        if isinstance(answer, RegionwiseError):
            self._end(actor)
            raise answer
        self._worked = True
        self._idle.append(actor)
        return item, answer

    def _welcome(self, ref: Any) -> None:
        """Take a worker into the pool; some never come, and three in a row are too many."""
        actor, known = self._coming.pop(ref)
        try:
            answer = self._ray.get(ref)
        except self._ray.exceptions.RayError as error:
            self._end(actor)
            if not known:
                self._not_started(error)
            return
        if isinstance(answer, RegionwiseError):
            self._end(actor)
            raise answer
        if not known:
            self._failed_starts = 0
        self._idle.append(actor)

    def _not_started(self, error: Exception) -> None:
        """Count who ended while it started; who works, or is still to come, goes on.

        Raises:
            ModelError: there are too few others.
        """
        self._failed_starts += 1
        if self._failed_starts >= self._staff.deaths and not self._others():
            raise ModelError(
                f"{self._failed_starts} workers in a row ended while they started:"
                f" {why_ended(error)}"
            ) from error

    def _without_answer(
        self, actor: Any, had: tuple[int, Item], error: Exception, shift: _Shift[Item]
    ) -> tuple[Item, Report | Lost] | None:
        """Give a dead worker's item to another one, unless it was the end of too many.

        Who waits is asked whether it lives: if its machine has gone, too, no item is to blame.
        """
        self._end(actor)
        self._coming |= {waiting.here.remote(): (waiting, True) for waiting in self._idle}
        self._idle = []
        number, item = had
        shift.deaths[number] += 1
        if shift.deaths[number] >= self._staff.deaths:
            return item, self._given_up(shift.deaths[number], error)
        self._say(f"a worker ended ({why_ended(error)}); another one does its part")
        shift.todo.appendleft(had)
        return None

    def _given_up(self, deaths: int, error: Exception) -> Lost:
        """Leave an item out.

        Raises:
            ModelError: as all before it; it is not the items.
        """
        self._lost += 1
        why = why_ended(error)
        if self._lost >= self._staff.deaths and not self._worked:
            raise ModelError(
                f"no worker has lived through a part, and {self._lost} were tried: {why}"
            ) from error
        return Lost(
            f"{deaths} workers ended over the same part, which is left out: {why};"
            " the same command tries it again"
        )

    def _end(self, actor: Any) -> None:
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(actor, no_restart=True)
