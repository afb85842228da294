"""A small sample of a benchmark, really run: what each kind of chunk takes, and how many passes.

A kind is what chunks have in common but their pictures: model, methods, target, metrics. They are
run as the benchmark runs them, by ``score_chunk``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice

import torch

from regionwise.benchmark.blocks import Block
from regionwise.benchmark.context import Context
from regionwise.benchmark.estimate import Measured, Stage
from regionwise.benchmark.estimate_meter import (
    Clock,
    Lap,
    Meter,
    Trial,
    measured_by,
    one_pass,
    trials,
)
from regionwise.benchmark.ledger import rows_file
from regionwise.benchmark.loaded import open_units
from regionwise.benchmark.plan import Chunk, Plan, Unit
from regionwise.benchmark.rows import table_of
from regionwise.benchmark.score import score_chunk
from regionwise.errors import InputError
from regionwise.places import Place


@dataclass(frozen=True, eq=False)
class Bench:
    """Where chunks are tried: the plan, what is loaded, and a place whose files nobody keeps."""

    plan: Plan
    context: Context
    scratch: Place

    @cached_property
    def device(self) -> torch.device:
        """Where networks run."""
        return torch.device(self.context.device)


def kinds_of(chunks: Sequence[Chunk]) -> dict[str, list[Chunk]]:
    """Return chunks that differ in their pictures alone, by a name for people."""
    found: dict[tuple[object, ...], list[Chunk]] = {}
    for chunk in chunks:
        key = (chunk.model, chunk.group, chunk.target, chunk.methods, chunk.metrics)
        found.setdefault(key, []).append(chunk)
    models = len({chunk.model for chunk in chunks}) > 1
    targets = len({chunk.target for chunk in chunks}) > 1
    named: dict[str, list[Chunk]] = {}
    for kind in found.values():
        one = kind[0]
        counted = f"{len(one.methods)} methods x {len(one.metrics)} metrics"
        parts = [one.model] * models + [one.group] + [one.target] * targets + [counted]
        name = ", ".join(part for part in parts if part)
        named[name if name not in named else f"{name}, again"] = kind
    return named


@dataclass(frozen=True)
class Family:
    """Kinds that differ in their metrics alone, by name: they are read and explained alike."""

    kinds: Mapping[str, Sequence[Chunk]]

    @cached_property
    def chunks(self) -> tuple[Chunk, ...]:
        """Return the chunks of all kinds."""
        return tuple(chunk for kind in self.kinds.values() for chunk in kind)

    @cached_property
    def atoms(self) -> tuple[tuple[str, ...], ...]:
        """Return metrics that the same kinds ask for, together: each is then scored once."""
        asked: dict[str, list[str]] = {}
        for name, kind in self.kinds.items():
            for metric in kind[0].metrics:
                asked.setdefault(metric, []).append(name)
        atoms: dict[tuple[str, ...], list[str]] = {}
        for metric, names in asked.items():
            atoms.setdefault(tuple(names), []).append(metric)
        return tuple(tuple(metrics) for metrics in atoms.values())


def families_of(kinds: Mapping[str, Sequence[Chunk]]) -> list[Family]:
    """Put kinds together that differ in their metrics alone."""
    found: dict[tuple[object, ...], dict[str, Sequence[Chunk]]] = {}
    for name, kind in kinds.items():
        one = kind[0]
        key = (one.model, one.group, one.target, one.methods)
        found.setdefault(key, {})[name] = kind
    return [Family(kinds) for kinds in found.values()]


def measure_family(family: Family, bench: Bench, budget: float) -> dict[str, Measured]:
    """Run samples of a family for about ``budget`` seconds, but one picture at least.

    Returns what is known of each kind.

    Raises:
        RegionwiseError: none of its pictures can be read, or a model cannot be loaded.
    """
    first = family.chunks[0]
    units = _readable(family.chunks, bench)
    largest = max(len(chunk.units) for chunk in family.chunks)

    def attempt(count: int, meter: Meter) -> _Tried:
        chunk = replace(first, units=tuple(islice(units, count)))
        return _tried(chunk, family.atoms, bench, meter)

    one = _one_pass(first, next(units), bench)
    found = trials(attempt, largest, budget, bench.device)
    return {
        name: measured_by(name, [tried.of(kind[0].metrics) for tried in found], one)
        for name, kind in family.kinds.items()
    }


@dataclass(frozen=True)
class _Scored:
    """What it takes to score some metrics, and to write their rows."""

    metrics: tuple[str, ...]
    score: Lap
    write: Lap
    size: int


@dataclass(frozen=True)
class _Tried:
    """What it takes to do some images of a family."""

    images: int
    read: Lap
    explain: Lap
    scored: tuple[_Scored, ...]

    def of(self, metrics: Sequence[str]) -> Trial:
        """Return what it takes with these metrics."""
        score, write, size = Lap(0.0), Lap(0.0), 0
        for one in self.scored:
            if set(one.metrics) <= set(metrics):
                score, write, size = score.plus(one.score), write.plus(one.write), size + one.size
        laps: dict[Stage, Lap] = {"read": self.read, "explain": self.explain}
        return Trial(self.images, {**laps, "score": score, "write": write}, size)


def _tried(chunk: Chunk, atoms: Sequence[tuple[str, ...]], bench: Bench, meter: Meter) -> _Tried:
    """Score a chunk, and say what its stages take.

    Without metrics a chunk is read and explained. The second time, masked pictures are remembered:
    what it takes with metrics beyond what it then takes without is the scoring.
    """
    context = bench.context
    bare = partial(score_chunk, replace(chunk, metrics=()), context)
    context.clear()
    _, read = meter(lambda: open_units(chunk, context))
    _, cold = meter(bare)
    _, warm = meter(bare)
    scored = []
    for metrics in atoms:
        part = replace(chunk, metrics=metrics)
        blocks, whole = meter(partial(score_chunk, part, context))
        size, write = Clock(bench.device)(partial(_write, part, blocks, bench))
        scored.append(_Scored(metrics, whole.less(warm), write, size))
    context.clear()
    return _Tried(len(chunk.units), read, cold.less(read), tuple(scored))


def _write(chunk: Chunk, blocks: list[Block], bench: Bench) -> int:
    """Write the rows of a chunk, and return their bytes."""
    data = bench.plan.data
    name, content = rows_file(chunk.id, table_of(blocks, data["source"], data["split"]))
    bench.scratch.write(name, content)
    return len(content)


def _readable(kind: Sequence[Chunk], bench: Bench) -> Iterator[Unit]:
    """Yield pictures that can be read, in the order of the plan, again and again.

    Raises:
        InputError: none can.
    """
    units = [unit for chunk in kind for unit in chunk.units]
    good, reason = True, ""
    while good:
        good = False
        for unit in units:
            _, failed = open_units(replace(kind[0], units=(unit,)), bench.context)
            reason = failed[0][1] if failed else reason
            if not failed:
                good = True
                yield unit
    raise InputError(f"none of {len(units)} pictures can be read: {reason}")


def _one_pass(chunk: Chunk, unit: Unit, bench: Bench) -> float:
    """Return the operations of one forward pass of one picture."""
    opened, _ = open_units(replace(chunk, units=(unit,)), bench.context)
    return one_pass(bench.context.model(chunk.model), opened[0].inputs[None])
