"""Memory that runs out, told in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from regionwise.errors import ModelError
from regionwise.evidence.room import out_of_memory


@contextmanager
def enough_memory() -> Iterator[None]:
    """Turn a failed allocation, on any device, into one line.

    Raises:
        ModelError: memory ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        raise ModelError(
            "this does not fit into the memory; raise --accumulate, lower --set batch=N, or take"
            " smaller images (--size)"
        ) from error
