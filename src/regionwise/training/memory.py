"""Memory that runs out, told in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from regionwise.errors import ModelError

_ON_CPU = "DefaultCPUAllocator"


@contextmanager
def enough_memory() -> Iterator[None]:
    """Turn a failed allocation, on any device, into one line.

    Raises:
        ModelError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        on_device = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not on_device and _ON_CPU not in str(error):
            raise
        raise ModelError(
            "this does not fit into the memory; raise --accumulate, lower --set batch=N, or take"
            " smaller images (--size)"
        ) from error
