"""Running a plan in this process: chunk by chunk into a folder, going on where it was cut off."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias, runtime_checkable

from regionwise.benchmark.blocks import ERROR, Block
from regionwise.benchmark.context import Context
from regionwise.benchmark.cost import cost_items, measure_cost
from regionwise.benchmark.ledger import COST, begin, finished, remaining, sweep, write_rows
from regionwise.benchmark.plan import Plan
from regionwise.benchmark.preparing import protocols_of
from regionwise.benchmark.rows import check_installed, table_of
from regionwise.benchmark.score import score_chunk


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
    """How a run ended: chunks found done, chunks scored now, rows that hold an error."""

    before: int
    scored: int
    failed: int


def run_plan(plan: Plan, context: Context, out: Path, open_told: OpenTold) -> Outcome:
    """Score what is not done, then measure what each method costs alone.

    Whatever ends the process, ``out`` holds whole chunks only, and the same call goes on.

    Raises:
        RegionwiseError: the folder holds something else or cannot be written.
    """
    check_installed()
    begin(out, plan, protocols_of(plan))
    sweep(out)
    todo = remaining(out, plan.chunks)
    before = len(plan.chunks) - len(todo)
    costs = [item for item in cost_items(plan) if item.id not in finished(out, COST)]
    failed = 0
    with open_told(sum(map(len, plan.chunks))) as told:
        if before:
            told.say(f"going on: {before} of {len(plan.chunks)} chunks are done")
        told.advance(sum(map(len, plan.chunks)) - sum(map(len, todo)))
        for chunk in todo:
            blocks = score_chunk(chunk, context)
            failed += _tell(blocks, told)
            write_rows(out, chunk.id, table_of(blocks, plan.data["source"], plan.data["split"]))
            told.advance(len(chunk))
        for item in costs:
            blocks = measure_cost(item, plan, context)
            rows = table_of(blocks, plan.data["source"], plan.data["split"])
            write_rows(out, item.id, rows, COST)
    return Outcome(before, len(todo), failed)


def _tell(blocks: list[Block], told: Told) -> int:
    """Say each error once; return how many rows have one."""
    errors = [block for block in blocks if block.statistic == ERROR]
    for reason in dict.fromkeys((block.who.images[0], block.error) for block in errors):
        told.say(f"{reason[0]}: {reason[1]}")
    return len(errors)
