"""How many images run through a network together.

On CPUs few: a batch whose maps do not fit the cache is slower than several that do. On CUDA many,
as far as memory goes. The number is a rule of what the machine is, never of how fast it just was,
so that the same call gives the same digits; :func:`regionwise.tune` measures, where asked.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

import torch
from torch import Tensor, nn

from regionwise.evidence.room import in_parts, out_of_memory

R = TypeVar("R")

LEAST: Final = 8
"""Images at a time on a CPU with one or two threads."""

MOST: Final = 256
"""Images at a time at most."""

PER_THREAD: Final = 4

_Sizes: TypeAlias = weakref.WeakKeyDictionary[nn.Module, dict[tuple[Any, ...], int]]

_FITTING: Final[_Sizes] = weakref.WeakKeyDictionary()
_TUNED: Final[_Sizes] = weakref.WeakKeyDictionary()


def usual_chunk(device: torch.device) -> int:
    """Return how many images run together on a device, if nothing else is known."""
    if device.type == "cpu":
        return min(max(LEAST, PER_THREAD * torch.get_num_threads()), 64)
    return 64


@dataclass(frozen=True, eq=False)
class Pace:
    """How many images of one network run together; fewer once they did not fit."""

    model: nn.Module
    device: torch.device

    def chunk(self, like: Tensor, asked: int | None = None) -> int:
        """Return how many images like these run together: what is asked, unless it did not fit."""
        kind = _kind(like)
        wanted = asked
        if wanted is None:
            wanted = _TUNED.get(self.model, {}).get(kind, usual_chunk(self.device))
        return min(wanted, _FITTING.get(self.model, {}).get(kind, wanted))

    def over(
        self, count: int, like: Tensor, run: Callable[[slice], R], *, asked: int | None = None
    ) -> list[R]:
        """Run ``count`` images like these, in parts of nearly the same size.

        A part that memory does not suffice for is halved and run again, and its size remembered.

        Raises:
            RuntimeError: a single image does not fit.
        """
        return in_parts(
            count,
            lambda left: self._even(left, like, asked),
            run,
            lambda tried: self._halve(like, tried),
        )

    def _even(self, count: int, like: Tensor, asked: int | None) -> int:
        parts = max(1, -(-count // self.chunk(like, asked)))
        return max(1, -(-count // parts))

    def _halve(self, like: Tensor, size: int) -> None:
        _FITTING.setdefault(self.model, {})[_kind(like)] = size // 2
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


def keep_chunk(model: nn.Module, like: Tensor, size: int) -> None:
    """Let images like these run so many together from now on, in this process."""
    _TUNED.setdefault(model, {})[_kind(like)] = size


def fastest_chunk(run: Callable[[Tensor], Any], image: Tensor, sizes: Iterable[int]) -> int:
    """Return at which of some sizes images run fastest, by the best of three repeats.

    Args:
        run: runs a batch n c h w.
        image: one image, 1 c h w.
        sizes: to be tried, smallest first; one that does not fit ends the trial.
    """
    best: dict[int, float] = {}
    for size in sizes:
        batch = image.expand(size, *image.shape[1:]).contiguous()
        try:
            run(batch)
            best[size] = min(_seconds(run, batch) for _ in range(3)) / size
        except RuntimeError as error:
            if not out_of_memory(error) or not best:
                raise
            break
    return min(best, key=lambda size: best[size])


def _seconds(run: Callable[[Tensor], Any], batch: Tensor) -> float:
    started = time.perf_counter()
    run(batch)
    if batch.is_cuda:
        torch.cuda.synchronize(batch.device)
    return time.perf_counter() - started


def _kind(inputs: Tensor) -> tuple[Any, ...]:
    return (*inputs.shape[1:], inputs.dtype, inputs.device)
