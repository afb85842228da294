"""Time: contenders take turns in palindromes, so that a machine that drifts treats all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Contender:
    """Something that is run, timed, and held against others.

    Attributes:
        name: unique in its group.
        run: once, from inputs to maps.
        images: explained by one run; of a limit, its forward passes over those that one
            explanation needs.
        timed: takes its turns; otherwise only memory and passes are measured.
        watched: memory and passes are measured, by one run of its own; not of other processes.
        warm: runs once before anything is measured, for what keeps something between runs.
    """

    name: str
    run: Callable[[], Any]
    images: float = 1
    timed: bool = True
    watched: bool = True
    warm: bool = True


def palindromes(names: Sequence[str], pairs: int) -> Iterator[str]:
    """Yield who runs: A B C C B A, again and again, until everybody had ``pairs`` turns.

    Any two names are in ABBA order; an odd number of pairs ends in the middle of a palindrome.
    """
    for turn in range(pairs):
        yield from names if turn % 2 == 0 else reversed(names)


def measure(
    contenders: Sequence[Contender],
    pairs: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    before: Callable[[], None] = lambda: None,
    after: Callable[[str], None] = lambda _: None,
) -> dict[str, list[float]]:
    """Return the seconds of every turn of each contender, in the order of the turns.

    Args:
        contenders: who takes turns.
        pairs: turns of each.
        clock: seconds.
        before: called in front of every turn, not timed.
        after: called behind every turn with the name of who ran, not timed.
    """
    runs = {one.name: one.run for one in contenders}
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    with frozen():
        for name in palindromes(list(runs), pairs):
            before()
            with _undisturbed():
                wait()
                started = clock()
                runs[name]()
                wait()
                seconds[name].append(clock() - started)
            after(name)
    return seconds


def wait() -> None:
    """Wait until the accelerator has done what it was asked."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


@contextmanager
def frozen() -> Iterator[None]:
    """Let the garbage collector overlook all that is here already, so that it is done at once."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Keep the garbage collector away for the length of a turn, and let it collect before."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
