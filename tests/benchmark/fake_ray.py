"""A Ray in miniature: actors come, work and die as a random generator says, in its own time."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


class RayError(Exception):
    """What Ray raises when there is no answer."""


@dataclass(eq=False)
class Actor:
    """A worker; calls are answered in their order."""

    ray: FakeRay
    worker: Any
    placed: bool = False
    dead: bool = False
    doomed: bool = False
    calls: list[Ref] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *given: self.ray.called(self, name, given))


@dataclass(eq=False)
class Ref:
    """An answer to come."""

    actor: Actor
    name: str
    given: tuple[Any, ...]
    answer: Any = None
    done: bool = False


@dataclass(eq=False)
class FakeRay:
    """What the pool asks of Ray.

    Attributes:
        seed: of what happens.
        room: actors that find a place at the same time.
        most: actors that the pool may ask for at the same time.
        deadly: how often a call ends its worker.
        never_starts: how often a worker ends while it starts.
        idle_deaths: how often somebody dies who waits.
        poison: items that end every worker.
    """

    seed: int = 0
    room: int = 3
    most: int = 3
    deadly: float = 0.0
    never_starts: float = 0.0
    idle_deaths: float = 0.0
    poison: frozenset[Any] = frozenset()
    now: float = 0.0
    actors: list[Actor] = field(default_factory=list)
    deaths: dict[Any, int] = field(default_factory=dict)
    most_busy: int = 0
    exceptions: Any = field(default_factory=lambda: SimpleNamespace(RayError=RayError))

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - no secret

    def put(self, value: Any) -> Any:
        return value

    def remote(self, **wishes: Any) -> Callable[[type], Any]:
        assert wishes["max_restarts"] == wishes["max_task_retries"] == 0
        return lambda kind: SimpleNamespace(remote=lambda *_: self._hired(kind))

    def _hired(self, kind: type) -> Actor:
        worker = kind.__new__(kind)  # what it sets up is of a process of its own
        worker._threads, worker._do = 1, None
        self.actors.append(Actor(self, worker))
        assert len(self.living) <= self.most, "more workers than were asked for"
        return self.actors[-1]

    @property
    def living(self) -> list[Actor]:
        return [actor for actor in self.actors if not actor.dead]

    def called(self, actor: Actor, name: str, given: tuple[Any, ...]) -> Ref:
        ref = Ref(actor, name, given)
        actor.calls.append(ref)
        if actor.dead:
            self._end(actor)
            if name == "do":
                self.deaths[given[0]] = self.deaths.get(given[0], 0) + 1
        busy = [c for a in self.living for c in a.calls if c.name == "do" and not c.done]
        self.most_busy = max(self.most_busy, len(busy))
        return ref

    def kill(self, actor: Actor, no_restart: bool) -> None:
        assert no_restart
        self._end(actor)

    def _end(self, actor: Actor) -> None:
        actor.dead = True
        for call in actor.calls:
            if not call.done:
                call.done, call.answer = True, RayError("it is dead")

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self.room)}

    def wait(self, refs: list[Ref], num_returns: int, timeout: float) -> tuple[list[Ref], Any]:
        assert num_returns == 1
        for _ in range(8):  # things that may happen within a tick
            ready = [ref for ref in refs if ref.done]
            if ready and self.chance.random() < 0.8:
                one = self.chance.choice(ready)
                return [one], [ref for ref in refs if ref is not one]
            self._happen()
        self.now += timeout
        return [], refs

    def get(self, ref: Ref) -> Any:
        assert ref.done
        if isinstance(ref.answer, RayError):
            raise ref.answer
        return ref.answer

    def _happen(self) -> None:
        """Let one thing happen to somebody."""
        if not self.living:
            return
        actor = self.chance.choice(self.living)
        call = next((c for c in actor.calls if not c.done), None)
        if not actor.placed:
            actor.placed = sum(a.placed for a in self.living) < self.room
        elif call is None:
            if self.chance.random() < self.idle_deaths:
                self._end(actor)
        elif self._dies(call):
            if call.name == "do":
                self.deaths[call.given[0]] = self.deaths.get(call.given[0], 0) + 1
            self._end(actor)
        else:
            call.answer, call.done = getattr(actor.worker, call.name)(*call.given), True

    def _dies(self, call: Ref) -> bool:
        if call.name == "do":
            return call.given[0] in self.poison or self.chance.random() < self.deadly
        return call.name == "open" and self.chance.random() < self.never_starts
