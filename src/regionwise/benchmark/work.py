"""What a worker of a benchmark does: it scores a chunk, or measures a cost, and writes the rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from regionwise.benchmark.blocks import ERROR, Block
from regionwise.benchmark.context import Context
from regionwise.benchmark.cost import CostItem, measure_cost
from regionwise.benchmark.ledger import COST, ROWS, rows_file
from regionwise.benchmark.plan import Chunk, Plan
from regionwise.benchmark.pool import Outbox, Witness, witness_of
from regionwise.benchmark.recipe import OWN
from regionwise.benchmark.rows import table_of
from regionwise.benchmark.score import score_chunk
from regionwise.errors import ModelError

Task: TypeAlias = Chunk | CostItem

_REMEDY: Final = "install the same weights on all machines, and name them by the same source"


@dataclass(frozen=True)
class Scored:
    """What came of a task.

    Attributes:
        failed: rows that hold an error.
        said: each error once, with its first image.
        name: the file with the rows.
        content: what the driver has to write for a worker that does not see the folder.
    """

    failed: int
    said: tuple[str, ...]
    name: str
    content: bytes | None = None


@dataclass(frozen=True, eq=False)
class Scoring:
    """The work of a benchmark.

    Attributes:
        plan: what was planned; its chunks come one by one.
        context: data, seed and judges; what it has loaded stays in its process.
        out: where rows go.
        device: where networks run.
        witness: a picture that all workers must see.
    """

    plan: Plan
    context: Context
    out: Outbox
    device: str
    witness: Witness | None = None

    def open(self) -> Callable[[Task], Scored]:
        """Look whether this process sees pictures and folder; models are loaded when asked for."""
        if self.witness is not None:
            self.witness.check()
        context = replace(self.context, device=self.device)
        return _Scorer(self.plan, context, self.out, sees=self.out.seen())


def scoring(plan: Plan, context: Context, out: Outbox, device: str) -> Scoring:
    """Return the work of a plan; the chunks are not part of what every worker is sent."""
    seen = witness_of([picture.path for picture in context.data.pictures])
    return Scoring(replace(plan, chunks=()), context, out, device, seen)


@dataclass(eq=False)
class _Scorer:
    """One worker, open."""

    plan: Plan
    context: Context
    out: Outbox
    sees: bool
    checked: set[str] = field(default_factory=set)

    def __call__(self, task: Task) -> Scored:
        self._check(task.model)
        if isinstance(task, CostItem):
            blocks, kind = measure_cost(task, self.plan, self.context), COST
        else:
            blocks, kind = score_chunk(task, self.context), ROWS
        table = table_of(blocks, self.plan.data["source"], self.plan.data["split"])
        name, content = rows_file(task.id, table, kind)
        if self.sees:
            self.out.place.write(name, content)
        failed = [block for block in blocks if block.statistic == ERROR]
        return Scored(len(failed), _lines(failed), name, None if self.sees else content)

    def _check(self, model: str) -> None:
        """Refuse another model than the plan's: its rows would stand under a wrong name."""
        if model in self.checked:
            return
        planned = {used.source: used.hash for used in self.plan.models}[model]
        if self.context.hash(model) != planned:
            raise ModelError(f"a worker's {model!r} is not the model that was planned; {_REMEDY}")
        for judge, known in self.plan.judges.items():
            if judge != OWN and self.context.judge_hash(judge) != known:
                raise ModelError(
                    f"a worker's judge {judge!r} is not the one that was planned; {_REMEDY}"
                )
        self.checked.add(model)


def _lines(failed: list[Block]) -> tuple[str, ...]:
    return tuple(
        f"{image}: {error}"
        for image, error in dict.fromkeys((block.who.images[0], block.error) for block in failed)
    )
