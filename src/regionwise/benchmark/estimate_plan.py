"""What a benchmark will take: kinds of chunks measured, costs, and the loading of models."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from tempfile import TemporaryDirectory
from typing import Final

from regionwise.benchmark.blocks import EXTRA
from regionwise.benchmark.context import Context
from regionwise.benchmark.cost import CostItem, cost_items, measure_cost
from regionwise.benchmark.estimate import Estimate, Measured, Part, Passes
from regionwise.benchmark.estimate_measure import Bench, families_of, kinds_of, measure_family
from regionwise.benchmark.estimate_meter import Clock
from regionwise.benchmark.ledger import COST, finished, remaining
from regionwise.benchmark.plan import Chunk, Plan
from regionwise.places import Place, as_place
from regionwise.zoo import load_model

BUDGET: Final = 60.0
"""Seconds that are measured for, about; a picture of each kind is measured in any case."""

COSTS: Final = "cost of each method"
"""Measured at the end by one worker while the others are gone."""


@dataclass(frozen=True)
class Left:
    """What of a plan is not done yet."""

    chunks: tuple[Chunk, ...]
    costs: tuple[CostItem, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of chunks: what was measured, and all its pictures and explanations."""

    measured: Measured
    images: int
    explanations: int

    @property
    def passes(self) -> Passes:
        """Return the passes of all its pictures."""
        return self.measured.explain.plus(self.measured.score).times(self.images)


@dataclass(frozen=True)
class Planned:
    """What a benchmark will take.

    Attributes:
        kinds: of chunks.
        costs: passes of the measurement of cost.
        bounded: methods whose cost is no more than said: they were not measured alone.
        estimate: of the time.
        took: seconds of the measurement.
    """

    kinds: tuple[Kind, ...]
    costs: Passes
    bounded: int
    estimate: Estimate
    took: float

    @property
    def passes(self) -> Passes:
        """Return all passes."""
        found = self.costs
        for kind in self.kinds:
            found = found.plus(kind.passes)
        return found


def left_of(plan: Plan, place: Place) -> Left:
    """Return what is not done in a place; it is only read."""
    done = finished(place, COST)
    costs = tuple(item for item in cost_items(plan) if item.id not in done)
    return Left(tuple(remaining(place, plan.chunks)), costs)


def estimate_plan(
    plan: Plan,
    left: Left,
    context: Context,
    advance: Callable[[int], None],
    budget: float = BUDGET,
) -> Planned:
    """Run samples of a plan for about ``budget`` seconds, and say what it will take.

    Args:
        plan: with one chunk left at least.
        left: what is not done.
        context: where models are loaded; it is left as it was.
        advance: is told how many more kinds are measured.
        budget: seconds.

    Raises:
        RegionwiseError: a model cannot be loaded, or none of the first pictures read.
    """
    began = time.monotonic()
    kinds = kinds_of(left.chunks)
    measured: dict[str, Measured] = {}
    with TemporaryDirectory() as folder:
        bench = Bench(plan, context, as_place(folder))
        load = _loading(left, bench)
        families = families_of(kinds)
        for number, family in enumerate(families):
            shares = len(families) - number + bool(left.costs)
            share = max(0.0, budget - (time.monotonic() - began)) / shares
            measured |= measure_family(family, bench, share)
            advance(len(family.kinds))
        until = began + budget
        seconds, passes, bounded = _costs(left.costs, bench, kinds, measured, until)
    by_chunk = {chunk.id: measured[name] for name, chunks in kinds.items() for chunk in chunks}
    parts = tuple(Part(by_chunk[chunk.id], len(chunk.units)) for chunk in left.chunks)
    return Planned(
        tuple(
            Kind(measured[name], sum(len(c.units) for c in chunks), sum(map(len, chunks)))
            for name, chunks in kinds.items()
        ),
        passes,
        bounded,
        Estimate(parts, load, {COSTS: seconds} if left.costs else {}),
        time.monotonic() - began,
    )


def _loading(left: Left, bench: Bench) -> float:
    """Return how long the models take to be loaded, once more."""
    context = bench.context
    sources = dict.fromkeys(chunk.model for chunk in left.chunks)
    clock = Clock(bench.device)
    laps = [clock(partial(load_model, source, device=context.device))[1] for source in sources]
    return sum(lap.seconds for lap in laps)


def _costs(
    items: Sequence[CostItem],
    bench: Bench,
    kinds: Mapping[str, Sequence[Chunk]],
    measured: Mapping[str, Measured],
    until: float,
) -> tuple[float, Passes, int]:
    """Return seconds and passes of measuring cost, and how many methods are only bounded.

    A method alone takes no more than together with others; that is taken where time is short.
    """
    plan = bench.plan
    once = replace(plan, recipe=replace(plan.recipe, cost=1))
    runs = 2 * plan.recipe.cost + 1  # a picture is explained to warm up, each to be timed, counted
    seconds, passes, bounded = 0.0, Passes(), 0
    for item in items:
        bound = _bound(item, kinds, measured)
        found = None
        if bound is None or time.monotonic() + 3 * bound[0] < until:
            found = _alone(item, once, bench)
        if found is None and bound is not None:
            found, bounded = bound, bounded + 1
        if found is not None:
            seconds += runs * found[0]
            passes = passes.plus(found[1].times(runs))
    return seconds, passes, bounded


def _bound(
    item: CostItem, kinds: Mapping[str, Sequence[Chunk]], measured: Mapping[str, Measured]
) -> tuple[float, Passes] | None:
    """Return what the cheapest kind that holds a method takes to explain a picture."""
    holding = [
        measured[name]
        for name, chunks in kinds.items()
        if chunks[0].model == item.model and item.method in chunks[0].methods
    ]
    found = [(one.lines["explain"].at(1), one.explain) for one in holding]
    return min(found, key=lambda pair: pair[0], default=None)


def _alone(item: CostItem, once: Plan, bench: Bench) -> tuple[float, Passes] | None:
    """Measure a method alone on one picture; nothing if it cannot deal with that."""
    blocks = measure_cost(item, once, bench.context)
    values = {b.statistic.removeprefix(EXTRA): float(b.values.mean()) for b in blocks}
    if not values:
        return None
    return values["seconds"], Passes(values["forward"], values["backward"])
