"""Chunks of a benchmark done elsewhere: timed, noted, in plain processes, by who is killed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch

from regionwise.benchmark.context import Context
from regionwise.benchmark.ledger import begin, finished, remaining
from regionwise.benchmark.plan import Chunk, Plan
from regionwise.benchmark.pool import Here, outbox
from regionwise.benchmark.preparing import prepare, protocols_of
from regionwise.benchmark.ray import RayEngine
from regionwise.benchmark.recipe_files import from_table
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.benchmark.work import scoring
from regionwise.data.birds import write_birds
from regionwise.errors import ModelError
from regionwise.places import as_place

SPAWN = multiprocessing.get_context("spawn")
PATIENCE = 120.0


@dataclass(frozen=True)
class Timed:
    """A work whose reports come with the seconds they took; what is begun is noted in a file."""

    work: Any
    notes: Path

    def open(self) -> Callable[[Chunk], tuple[float, Any]]:
        """Open the work."""
        do = self.work.open()

        def timed(chunk: Chunk) -> tuple[float, Any]:
            with self.notes.open("a") as notes:
                notes.write(f"{chunk.id}\n")
            start = time.perf_counter()
            report = do(chunk)
            return time.perf_counter() - start, report

        return timed


@dataclass(frozen=True)
class Benched:
    """A benchmark of birds, planned, and the folder that it lies in."""

    folder: Path
    images: int
    chunk: int

    @cached_property
    def context(self) -> Context:
        """What chunks need."""
        return Context(read_benchmark_data(f"birds:{self.folder / 'birds'}"))

    @cached_property
    def plan(self) -> Plan:
        """One method and a control by one metric: chunks are short, and the engine weighs more."""
        table = {
            "models": ["birds-1"],
            "images": self.images,
            "chunk": self.chunk,
            "cost": {"images": 0},
            "methods": [{"use": ["grad-cam", "random"]}],
            "metrics": [{"use": ["average-drop"]}],
        }
        return prepare(from_table(table, "spread"), self.context)

    @property
    def chunks(self) -> Sequence[Chunk]:
        """All of them."""
        return self.plan.chunks

    def timed(self, name: str) -> Timed:
        """Return the work, with results in a folder of that name, which every worker sees."""
        place = as_place(self.folder / name)
        begin(place, self.plan, protocols_of(self.plan))
        with outbox(place, Here()) as box:
            return Timed(scoring(self.plan, self.context, box, "cpu"), self.notes(name))

    def notes(self, name: str) -> Path:
        """Return the file in which is noted what was begun."""
        return self.folder / f"{name}.txt"

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


def planned(folder: Path, images: int, chunk: int) -> Benched:
    """Render as many birds as are needed."""
    write_birds(folder / "birds", classes=8, images_per_class=-(-images // 4), size=224)
    return Benched(folder, images, chunk)


class Pair:
    """Two plain processes of one thread each, which do every second chunk when they are told."""

    def __init__(self, benched: Benched) -> None:
        self._pipes, self._both = [], []
        for which in range(2):
            mine, its = SPAWN.Pipe()
            self._pipes.append(mine)
            self._both.append(SPAWN.Process(target=_half, args=(benched, which, its), daemon=True))

    def __enter__(self) -> Self:
        """Start them."""
        for process in self._both:
            process.start()
        return self

    def run(self) -> None:
        """Let both do their half, and wait for the slower one."""
        for pipe in self._pipes:
            pipe.send("go")
        for pipe in self._pipes:
            if not pipe.poll(PATIENCE):
                raise ModelError("a process beside this one does not answer")
            pipe.recv()

    def __exit__(self, *_: object) -> None:
        """End them."""
        for process in self._both:
            process.terminate()
            process.join()


def _half(benched: Benched, which: int, pipe: Any) -> None:
    torch.set_num_threads(1)
    do = benched.timed(f"half-{which}").open()
    while True:
        pipe.recv()
        for chunk in benched.chunks[which::2]:
            do(chunk)
        pipe.send("done")


@dataclass(frozen=True)
class Killed:
    """A run by workers of Ray whose driver is killed, and which goes on."""

    benched: Benched
    workers: int

    def begun_in_vain(self) -> float:
        """Kill a run half way, go on, and return the chunks begun twice for each worker.

        Raises:
            ModelError: nothing was done in time, or rows are missing in the end.
        """
        out, name = self.benched.folder / "killed", "killed"
        process = SPAWN.Process(target=_run, args=(self.benched, self.workers))
        process.start()
        _until(
            lambda: len(finished(out)) >= len(self.benched.chunks) // 2 or not process.is_alive()
        )
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        again = SPAWN.Process(target=_run, args=(self.benched, self.workers))
        again.start()
        again.join()
        if remaining(out, self.benched.chunks):
            raise ModelError("chunks are missing after a run that was killed went on")
        begun = Counter(self.benched.notes(name).read_text().split())
        return sum(times - 1 for times in begun.values()) / self.workers


def _run(benched: Benched, workers: int) -> None:
    work = benched.timed("killed")
    todo = remaining(benched.folder / "killed", benched.chunks)
    with RayEngine(least=workers, most=workers).opened(work, print) as pool:
        for _ in pool.run(todo):
            pass


def _until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > deadline:
            raise ModelError("nothing was done in time")
        time.sleep(0.01)
