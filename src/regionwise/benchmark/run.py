"""Running a plan: chunk by chunk into a folder, going on where it was cut off."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias, runtime_checkable

from regionwise.benchmark.context import Context
from regionwise.benchmark.cost import CostItem, cost_items
from regionwise.benchmark.ledger import COST, begin, finished, remaining, sweep
from regionwise.benchmark.plan import Chunk, Plan
from regionwise.benchmark.pool import Engine, Here, Lost, Pool, outbox
from regionwise.benchmark.preparing import protocols_of
from regionwise.benchmark.rows import check_installed
from regionwise.benchmark.work import Scored, Task, scoring
from regionwise.places import Place, PlaceLike, as_place

HERE: Final = Here()


@runtime_checkable
class Told(Protocol):
    """Whom the run tells how far it is."""

    @property
    def advance(self) -> Callable[[int], None]:
        """Some more explanations are done."""

    @property
    def say(self) -> Callable[[str], None]:
        """One line for people."""


OpenTold: TypeAlias = Callable[[int], AbstractContextManager[Told]]
"""Opens a progress bar for a number of explanations."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        before: chunks found done.
        scored: chunks scored now.
        failed: rows that hold an error.
        lost: chunks and costs that could not be done; the same call tries them again.
    """

    before: int
    scored: int
    failed: int
    lost: int = 0


@dataclass(frozen=True)
class Workers:
    """By whom a plan is run: the engine, and the device of its workers (the context's own)."""

    engine: Engine = HERE
    device: str | None = None


def run_plan(
    plan: Plan,
    context: Context,
    out: PlaceLike,
    open_told: OpenTold,
    workers: Workers = Workers(),
) -> Outcome:
    """Score what is not done, then measure what each method costs alone.

    Whatever ends the process, ``out`` holds whole chunks only, and the same call goes on.

    Raises:
        RegionwiseError: the folder holds something else or cannot be written.
    """
    check_installed()
    place = as_place(out)
    begin(place, plan, protocols_of(plan))
    sweep(place)
    todo = remaining(place, plan.chunks)
    done, before = finished(place, COST), len(plan.chunks) - len(todo)
    costs = [item for item in cost_items(plan) if item.id not in done]
    with open_told(sum(map(len, plan.chunks))) as told:
        if before:
            told.say(f"going on: {before} of {len(plan.chunks)} chunks are done")
        told.advance(sum(map(len, plan.chunks)) - sum(map(len, todo)))
        if not todo and not costs:
            return Outcome(before, 0, 0)
        with outbox(place, workers.engine) as box:
            work = scoring(plan, context, box, workers.device or context.device)
            with workers.engine.opened(work, told.say) as pool:
                run = _Run(place, told)
                run.go(pool, todo, costs)
    sweep(place)
    return Outcome(before, run.scored, run.failed, run.lost)


@dataclass
class _Run:
    """What comes of the tasks."""

    place: Place
    told: Told
    scored: int = field(default=0, init=False)
    failed: int = field(default=0, init=False)
    lost: int = field(default=0, init=False)

    def go(
        self, pool: Pool[Task, Scored], chunks: Sequence[Chunk], costs: Sequence[CostItem]
    ) -> None:
        """Do chunks in any order, then costs one at a time, so that nothing else takes time."""
        for task, report in pool.run(chunks):
            if self._kept(report):
                self.scored += 1
                self.told.advance(len(task) if isinstance(task, Chunk) else 0)
        for _, report in pool.run(costs, alone=True):
            self._kept(report)

    def _kept(self, report: Scored | Lost) -> bool:
        if isinstance(report, Lost):
            self.told.say(report.reason)
            self.lost += 1
            return False
        for line in report.said:
            self.told.say(line)
        self.failed += report.failed
        if report.content is not None:
            self.place.write(report.name, report.content)
        return True
