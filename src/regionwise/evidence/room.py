"""Work for which memory may not suffice: done in parts, halved where it does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

R = TypeVar("R")


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    # of the CPU's allocator: "can't allocate memory", on Windows "not enough memory"
    text = str(error)
    return isinstance(error, RuntimeError) and "DefaultCPUAllocator" in text and "memory" in text


def in_parts(
    count: int,
    size: Callable[[int], int],
    run: Callable[[slice], R],
    smaller: Callable[[int], None],
) -> list[R]:
    """Run ``count`` things in parts; one that memory does not suffice for is halved and run again.

    Args:
        count: how many there are.
        size: how many are run at a time, of so many that are left.
        run: runs some.
        smaller: is told how many did not fit; ``size`` must answer less from then on.

    Raises:
        RuntimeError, MemoryError: a single one does not fit.
    """
    found: list[R] = []
    start, most = 0, max(1, size(count))
    while start < count:
        part = slice(start, min(start + most, count))
        tried = part.stop - part.start
        try:
            found.append(run(part))
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or tried <= 1:
                raise
        else:
            start = part.stop
            continue
        # behind the handler, where the error does not hold any more what did not fit
        smaller(tried)
        most = max(1, size(count - start))
    return found


@dataclass(eq=False)
class Room:
    """How many of some things fit at a time; ``None`` until it was too many."""

    most: int | None = None

    def over(
        self, count: int, run: Callable[[slice], R], cleared: Callable[[], None] | None = None
    ) -> list[R]:
        """Run ``count`` things, all at once or as many as fit; how many that are is remembered.

        ``cleared`` frees what can be had back before it is tried with fewer.

        Raises:
            RuntimeError, MemoryError: a single one does not fit.
        """

        def smaller(tried: int) -> None:
            self.most = max(1, tried // 2)
            if cleared is not None:
                cleared()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()

        return in_parts(count, lambda left: min(left, self.most or left), run, smaller)
