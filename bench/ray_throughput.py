"""Two Ray workers of one thread each against one, and what the engine costs beside the work.

    python bench/ray_throughput.py                 # birds, chunks of 32 images
    python bench/ray_throughput.py --rounds 1 --images 16 --chunk 4   # does it run at all

A worker times what it does itself. With one worker, all other seconds of the run are the engine's:
handing out, sending, waiting. Loading is not counted, and is printed apart. The limit is two plain
processes without any engine, each with every second chunk: what two cores that share memory and
caches can do at all. Contenders take turns; medians are printed. Do nothing else on the machine.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import torch

from regionwise.benchmark.context import Context
from regionwise.benchmark.ledger import begin
from regionwise.benchmark.pool import Here, outbox
from regionwise.benchmark.preparing import prepare, protocols_of
from regionwise.benchmark.ray import RayEngine
from regionwise.benchmark.recipe_files import from_table
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.benchmark.work import scoring
from regionwise.data.birds import write_birds
from regionwise.places import as_place


@dataclass(frozen=True)
class Timed:
    """A work whose reports come with the seconds they took."""

    work: Any

    def open(self):
        do = self.work.open()

        def timed(item):
            start = time.perf_counter()
            report = do(item)
            return time.perf_counter() - start, report

        return timed


@dataclass(frozen=True)
class Ran:
    """Seconds of a run: until workers were ready, then altogether, and in the workers."""

    start: float
    wall: float
    work: float


def planned(folder: Path, images: int, chunk: int):
    """Return a plan for birds and its context."""
    birds = write_birds(folder / "birds", classes=8, images_per_class=-(-images // 4), size=224)
    table = {
        "models": ["birds"],
        "images": images,
        "chunk": chunk,
        "cost": {"images": 0},
        "methods": [{"use": ["grad-cam", "random"]}],
        "metrics": [{"use": ["average-drop", "deletion:steps=10"]}],
    }
    recipe = from_table(table, "throughput")
    context = Context(read_benchmark_data(f"birds:{birds}"), recipe.seed, recipe.judges)
    return prepare(recipe, context), context


def ran(engine, plan, context, out: Path) -> Ran:
    """Run all chunks, each worker warm."""
    place = as_place(out)
    begin(place, plan, protocols_of(plan))
    with outbox(place, engine) as box:
        begun = time.perf_counter()
        work = Timed(scoring(plan, context, box, "cpu"))
        workers = engine.most if isinstance(engine, RayEngine) else 1
        with engine.opened(work, print) as pool:
            list(pool.run(plan.chunks[:workers]))
            start = time.perf_counter()
            seconds = [report[0] for _, report in pool.run(plan.chunks)]
            return Ran(start - begun, time.perf_counter() - start, sum(seconds))


def half_of(plan, context, out: Path, which: int, ready, seconds) -> None:
    """Do every second chunk in a process of its own, once all are warm."""
    torch.set_num_threads(1)
    place = as_place(out)
    begin(place, plan, protocols_of(plan))
    with (
        outbox(place, Here()) as box,
        Here().opened(scoring(plan, context, box, "cpu"), print) as p,
    ):
        list(p.run(plan.chunks[which : which + 1]))
        ready.wait()
        start = time.perf_counter()
        list(p.run(plan.chunks[which::2]))
        seconds.put(time.perf_counter() - start)


def side_by_side(plan, context, out: Path) -> Ran:
    """Run two processes that know nothing of each other; the slower one ends the run."""
    spawn = get_context("spawn")
    ready, seconds = spawn.Barrier(2), spawn.Queue()
    both = [
        spawn.Process(target=half_of, args=(plan, context, out / str(n), n, ready, seconds))
        for n in range(2)
    ]
    begun = time.perf_counter()
    for process in both:
        process.start()
    took = [seconds.get() for _ in both]
    for process in both:
        process.join()
    return Ran(time.perf_counter() - begun - max(took), max(took), sum(took))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=512)
    parser.add_argument("--chunk", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    one, two = (RayEngine(least=n, most=n) for n in (1, 2))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plan, context = planned(folder, asked.images, asked.chunk)
        print(f"{len(plan.chunks)} chunks of up to {asked.chunk} images, one thread a worker")
        found: dict[str, list[Ran]] = {"one": [], "two": [], "limit": []}
        for number in range(asked.rounds):
            for label, engine in (("one", one), ("two", two), ("limit", None)):
                out = folder / f"{label}-{number}"
                if engine is None:
                    result = side_by_side(plan, context, out)
                else:
                    result = ran(engine, plan, context, out)
                found[label].append(result)
                print(
                    f"round {number}, {label}: {result.wall:.2f} s, of that work"
                    f" {result.work:.2f} s; start and warming up {result.start:.2f} s",
                    flush=True,
                )
    speed = median(a.wall / b.wall for a, b in zip(found["one"], found["two"], strict=True))
    over = median(one.wall / one.work - 1 for one in found["one"])
    limit = median(a.wall / b.wall for a, b in zip(found["one"], found["limit"], strict=True))
    print(f"two workers: {speed:.2f} times the throughput of one (asked: 1.7)")
    print(f"two processes without an engine: {limit:.2f} times; the limit of this machine")
    print(f"engine beside the work, one worker: {100 * over:.2f} % (asked: below 5)")
    return 0 if speed >= 1.7 and over < 0.05 else 1


if __name__ == "__main__":
    torch.set_num_threads(1)
    sys.exit(main())
