"""Ray: two workers against one, what the engine takes beside the work, and what a kill costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from bench.groups import Case, Group
from bench.measuring import Contender
from bench.settings import Settings
from bench.spread import Benched, Killed, Pair, planned
from regionwise.benchmark.pool import Pool
from regionwise.benchmark.ray import RayEngine

NETWORK = "birds-1"
CHUNK, CHUNKS, TURNS = 32, 8, 8
FEW = 4


def groups(_: Settings) -> Iterator[Group]:
    """Yield the one group."""
    yield Group("ray", NETWORK, case)


def case(settings: Settings) -> Case:
    """Build nothing yet: who is asked first starts processes, which stay until the end."""
    standing = Standing(FEW if settings.quick else CHUNK)
    images = standing.chunk * CHUNKS
    return Case(
        contenders=[
            Contender(name, run, images=images, watched=False)
            for name, run in {
                "one worker": lambda: standing.ray(1),
                "two workers": lambda: standing.ray(2),
                "two processes": standing.apart,
            }.items()
        ],
        checks={"beside the work": standing.overhead, "begun in vain": standing.killed},
        facts={"chunks": CHUNKS, "images of a chunk": standing.chunk, "threads of a worker": 1},
        pairs=min(TURNS, settings.pairs),
        close=standing.close,
    )


class Standing:
    """Workers that are open, and do the same chunks again and again."""

    def __init__(self, chunk: int) -> None:
        self.chunk = chunk
        self._open = ExitStack()
        self._pools: dict[int, Pool[Any, Any]] = {}
        self._pair: Pair | None = None
        self._benched: Benched | None = None

    @property
    def benched(self) -> Benched:
        """The birds, and what is done with them; rendered once."""
        if self._benched is None:
            folder = Path(mkdtemp(prefix="bench-ray-"))
            self._benched = planned(folder, self.chunk * CHUNKS, self.chunk)
            self._open.callback(self._benched.remove)
        return self._benched

    def ray(self, workers: int) -> list[float]:
        """Do all chunks by so many workers of Ray; return the seconds that each took by itself."""
        if workers not in self._pools:
            self._pools[workers] = self._opened(workers)
        return [report[0] for _, report in self._pools[workers].run(self.benched.chunks)]

    def apart(self) -> None:
        """Do all chunks by two processes that know nothing of each other, half of them each."""
        if self._pair is None:
            self._pair = self._open.enter_context(Pair(self.benched))
        self._pair.run()

    def overhead(self) -> float:
        """Return which part of the work the engine takes besides, with one worker."""
        self.ray(1)
        started = time.perf_counter()
        work = sum(self.ray(1))
        return (time.perf_counter() - started) / work - 1

    def killed(self) -> float:
        """Return how many chunks for each worker were begun twice after ``kill -9`` of a run."""
        return Killed(self.benched, workers=2).begun_in_vain()

    def close(self) -> None:
        """End all processes and remove the birds."""
        self._open.close()
        self._pools, self._pair, self._benched = {}, None, None

    def _opened(self, workers: int) -> Pool[Any, Any]:
        import ray  # noqa: PLC0415 - only where it is measured

        if not ray.is_initialized():
            # room for one, and for two beside it, who wait while the one works
            more = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
            ray.init(address="local", num_cpus=3, object_store_memory=100 * 2**20, **more)
            self._open.callback(ray.shutdown)
        engine = RayEngine(least=workers, most=workers)
        return self._open.enter_context(engine.opened(self.benched.timed("ray"), print))
