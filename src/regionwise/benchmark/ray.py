"""Ray: a pool of actors, in processes of this machine or on all machines of a cluster.

The only file that knows Ray. It is imported when an engine is opened, not before.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from regionwise.benchmark.pool import Item, Pool, Report, Say, Work
from regionwise.benchmark.ray_pool import RayPool, Staff
from regionwise.errors import SettingError

STORE_BYTES: Final = 100 * 2**20
"""Shared memory of a cluster that is started here: what is sent is small."""

_QUIET: Final = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what raylets say comes on standard output otherwise
}
"""Unless the user says otherwise: nothing is sent to Ray's makers, and nothing is printed."""


@dataclass(frozen=True)
class RayEngine:
    """Actors of Ray as workers.

    Attributes:
        address: of a cluster; ``None`` takes that of ``RAY_ADDRESS``, or starts one here, for as
            long as it is needed.
        least, most: workers; the run begins with the least, and takes as many as there are.
            ``most`` of ``None`` is as many as have room.
        cpus, gpus: what one worker has for itself, also parts of one; as many threads as CPUs.
        patience: seconds to wait for workers before giving up.
        deaths: how many workers an item may take with it before it is left.
    """

    address: str | None = None
    least: int = 1
    most: int | None = None
    cpus: float = 1.0
    gpus: float = 0.0
    patience: float = 600.0
    deaths: int = 3

    @property
    def elsewhere(self) -> bool:
        """Workers are other processes."""
        return True

    @contextmanager
    def opened(self, work: Work[Item, Report], say: Say) -> Iterator[Pool[Item, Report]]:
        """Connect to the cluster, or start one; end what was started.

        Raises:
            SettingError: Ray is not installed, there is no such cluster, or it has no room.
        """
        ray = _imported()
        with self._connected(ray) as most:
            staff = Staff(self.least, most, self.patience, self.deaths)
            pool: RayPool[Item, Report] = RayPool(ray, work, self._wishes(), staff, say)
            try:
                yield pool
            finally:
                pool.close()

    def _wishes(self) -> dict[str, Any]:
        """Return what Ray is asked for an actor; actors are spread over machines."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "scheduling_strategy": "SPREAD"}

    @contextmanager
    def _connected(self, ray: Any) -> Iterator[int]:
        """Give the number of workers that have room."""
        if ray.is_initialized():
            yield self._room(ray.cluster_resources())
            return
        address = self.address or os.environ.get("RAY_ADDRESS")
        with _quiet():
            try:
                most = self._start(ray) if address is None else self._join(ray, address)
            except Exception as error:  # Ray raises that itself where a process is slow to start
                ray.shutdown()
                where = "Ray cannot be started" if address is None else f"no Ray at {address!r}"
                raise SettingError(f"{where}: {_line(error)}") from error
            try:
                with _ended_by_sigterm():
                    yield most
            finally:
                ray.shutdown()

    def _start(self, ray: Any) -> int:
        most = self.most or self._room({"CPU": _processors(), "GPU": _devices()})
        ray.init(
            address="local",
            num_cpus=math.ceil(most * self.cpus),
            num_gpus=math.ceil(most * self.gpus),
            object_store_memory=STORE_BYTES,
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
        )
        return most

    def _join(self, ray: Any, address: str) -> int:
        _reach(address)
        ray.init(address=address, log_to_driver=False, configure_logging=False)
        return self._room(ray.cluster_resources())

    def _room(self, has: dict[str, float]) -> int:
        """Return how many workers are asked for: those that were named, or all that fit now."""
        if self.most is not None:
            return self.most
        fits = [has.get(name, 0.0) / own for name, own in self._own().items() if own > 0]
        return max(self.least, int(min(fits, default=1.0) + 1e-9))

    def _own(self) -> dict[str, float]:
        return {"CPU": self.cpus, "GPU": self.gpus}


def _imported() -> Any:
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)  # read while it is imported
    try:
        import ray  # noqa: PLC0415 - the extra
    except ImportError as error:
        raise SettingError(
            "the engine 'ray' needs Ray; install with: pip install 'regionwise[ray]'"
        ) from error
    return ray


def _reach(address: str) -> None:
    """Knock first: Ray itself tries for many minutes.

    Raises:
        ConnectionError: nobody listens there.
    """
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal():
        return  # auto, local, or what only Ray understands
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise ConnectionError(f"nobody listens there ({error})") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's own lines off the terminal: what matters comes as an error or is said."""
    log = logging.getLogger("ray")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End as at the end of a run when the process is asked to: Ray itself would abort."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _devices() -> int:
    import torch  # noqa: PLC0415 - asked for when a cluster is started here

    return torch.cuda.device_count()


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
