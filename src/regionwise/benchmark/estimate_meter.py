"""Trying some work on a few images: the first counts operations and warms up, others are timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar, runtime_checkable

import torch

from regionwise.benchmark.cost import synchronise, work_of, work_of_pass
from regionwise.benchmark.estimate import Measured, Passes, Sample, Stage
from regionwise.evidence.probe import Probe
from regionwise.models.classifier import Classifier
from regionwise.shapes import Inputs

R = TypeVar("R")

FEW: Final = 2
MANY: Final = 8
"""Images of the smaller and, at most, of the larger sample that is timed."""


@dataclass(frozen=True)
class Lap:
    """What a step took: seconds, and operations where they were counted."""

    seconds: float
    forward: float = 0.0
    backward: float = 0.0

    def plus(self, other: Lap) -> Lap:
        """Return what both steps took."""
        seconds = self.seconds + other.seconds
        return Lap(seconds, self.forward + other.forward, self.backward + other.backward)

    def less(self, other: Lap) -> Lap:
        """Return what this step took beyond another; by the clock it may seem less than nothing."""
        return Lap(
            max(0.0, self.seconds - other.seconds),
            self.forward - other.forward,
            self.backward - other.backward,
        )


@runtime_checkable
class Meter(Protocol):
    """Runs something, and says what it took."""

    def __call__(self, run: Callable[[], R]) -> tuple[R, Lap]:
        """Return what came of it, and what it took."""


@dataclass(frozen=True)
class Clock:
    """Times what runs on a device."""

    device: torch.device

    def __call__(self, run: Callable[[], R]) -> tuple[R, Lap]:
        """Run something, and say how long it took."""
        synchronise(self.device)
        start = time.perf_counter()
        found = run()
        synchronise(self.device)
        return found, Lap(time.perf_counter() - start)


@dataclass(frozen=True)
class Counter:
    """Counts the operations of what runs on a device; that takes some time of its own."""

    device: torch.device

    def __call__(self, run: Callable[[], R]) -> tuple[R, Lap]:
        """Run something, and say what it took."""
        kept: list[R] = []
        work, lap = Clock(self.device)(lambda: work_of(lambda: kept.append(run())))
        return kept[0], Lap(lap.seconds, work.forward, work.backward)


@dataclass(frozen=True)
class Trial:
    """Some images that were done together, what each stage took, and the bytes of their files."""

    images: int
    laps: Mapping[Stage, Lap]
    size: int

    @property
    def sample(self) -> Sample:
        """Return the seconds."""
        return Sample(self.images, {stage: lap.seconds for stage, lap in self.laps.items()})

    def passes(self, stage: Stage, one: float) -> Passes:
        """Return the passes of an image in a stage; ``one`` is the operations of a forward pass."""
        lap = self.laps.get(stage, Lap(0.0))
        whole = one * self.images or float("nan")
        return Passes(lap.forward / whole, lap.backward / whole)


def one_pass(classifier: Classifier, image: Inputs) -> float:
    """Return the operations of one forward pass of one image, 1 c h w.

    The layer to explain is looked for on the way, which takes passes of its own, but only once.
    """
    with Probe(classifier.module, image, layer=classifier.layer):
        return work_of_pass(classifier, image)


@runtime_checkable
class Tried(Protocol):
    """What came of trying some images."""

    @property
    def images(self) -> int:
        """Return how many they were."""


T = TypeVar("T", bound=Tried)


def trials(
    attempt: Callable[[int, Meter], T], largest: int, budget: float, device: torch.device
) -> list[T]:
    """Count one image; then time few and more of them, as far as the budget in seconds goes.

    Args:
        attempt: does so many images, and asks the meter what each stage takes.
        largest: how many images are done together at most.
        budget: seconds.
        device: where it runs.
    """
    began = time.monotonic()
    found = [attempt(1, Counter(device))]
    took = time.monotonic() - began
    for size in (FEW, MANY, FEW):
        room = (budget - (time.monotonic() - began)) / max(took, 1e-9)
        count = min(size, largest, max(0, int(room)))
        if count < min(FEW, largest):
            break
        start = time.monotonic()
        found.append(attempt(count, Clock(device)))
        took = (time.monotonic() - start) / found[-1].images
    return found


def measured_by(name: str, found: Sequence[Trial], one: float) -> Measured:
    """Say what is known by trials, the first of which was counted."""
    first, *timed = found
    return Measured(
        name,
        tuple(trial.sample for trial in timed or [first]),
        first.passes("explain", one),
        first.passes("score", one),
        images=sum(trial.images for trial in found),
        repeated=bool(timed),
        size=found[-1].size / found[-1].images,
    )
