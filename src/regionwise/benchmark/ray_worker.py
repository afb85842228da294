"""What an actor of Ray is: it opens the work once, then does item after item."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regionwise.benchmark.pool import Work
from regionwise.errors import ModelError, RegionwiseError
from regionwise.trust import VARIABLE


class Worker:
    """An actor. What goes wrong on purpose is returned: Ray would wrap it when raised."""

    def __init__(self, threads: int, folder: str, trusted: str) -> None:
        os.environ["OMP_NUM_THREADS"] = str(threads)  # read when torch is loaded
        os.environ[VARIABLE] = trusted  # whose code runs is for the driver's user to say
        self._threads = threads
        if Path(folder).is_dir():
            os.chdir(folder)  # relative paths mean what they mean to the driver
        self._do: Callable[[Any], Any] | None = None

    def open(self, work: Work[Any, Any]) -> RegionwiseError | None:
        """Load what the work needs."""
        try:
            self._do = work.open()
        except RegionwiseError as error:
            return error
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(self._threads)
        return None

    def here(self) -> None:
        """Answer: whoever is dead does not."""

    def do(self, item: Any) -> Any:
        """Do an item."""
        if self._do is None:
            return ModelError("a worker was given something to do before it was open")
        try:
            return self._do(item)
        except RegionwiseError as error:
            return error


def why_ended(error: Exception) -> str:
    """Return in a few words why an actor has no answer."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, Exception):
        first = (str(cause).strip().splitlines() or [""])[0][:200]
        return f"{type(cause).__name__}: {first}"
    known = {
        "OutOfMemoryError": "its machine was out of memory",
        "ActorUnavailableError": "it cannot be reached any more",
    }
    return known.get(type(error).__name__, "it was killed, or crashed")
