"""How long work will take, by a few samples of it that were timed: arithmetic, nothing measured.

Work comes in parts (chunks of a benchmark, batches of ``explain``) that are handed out in order to
whoever is free. A part of n images takes a + b n seconds, with a and b of its kind.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeAlias, get_args

Stage: TypeAlias = Literal["read", "explain", "score", "draw", "write"]
"""Images read and brought to size; network and maps; metrics; pictures made and compressed; files
written."""

STAGES: Final[tuple[Stage, ...]] = get_args(Stage)

LEAST_SPREAD: Final = 0.25
"""A few samples look more alike than a whole data set is."""

UNREPEATED: Final = 0.5
"""The spread that is assumed of what was measured once."""

UNEVEN: Final = 1.5
"""Parts divide badly when they take so many times as long as if they could be divided at will."""

LOADING: Final = "loading the model"
FIRST: Final = "the first part, alone"
FEW: Final = "too few parts"


@dataclass(frozen=True)
class Passes:
    """Operations in units of one forward pass of one image; those of gradients apart."""

    forward: float = 0.0
    backward: float = 0.0

    def times(self, count: float) -> Passes:
        """Return as many as of ``count`` images."""
        return Passes(self.forward * count, self.backward * count)

    def plus(self, other: Passes) -> Passes:
        """Return both together."""
        return Passes(self.forward + other.forward, self.backward + other.backward)


@dataclass(frozen=True)
class Line:
    """``fixed + each * n`` seconds for n images."""

    fixed: float
    each: float

    def at(self, images: int) -> float:
        """Return the seconds of some images."""
        return self.fixed + self.each * images


def line_through(points: Sequence[tuple[int, float]]) -> Line:
    """Return the line nearest to timed samples (images, seconds), by least squares.

    Neither part of it is below 0. Samples of one size cannot tell the parts apart: then everything
    is by the image.

    Raises:
        ValueError: there is no sample of any image.
    """
    squares = sum(n * n for n, _ in points)
    if not squares:
        raise ValueError("a line wants a sample of at least one image")
    mean_n = sum(n for n, _ in points) / len(points)
    mean_s = sum(s for _, s in points) / len(points)
    wide = sum((n - mean_n) ** 2 for n, _ in points)
    each = sum((n - mean_n) * (s - mean_s) for n, s in points) / wide if wide else 0.0
    fixed = mean_s - each * mean_n
    if wide and each >= 0 and fixed >= 0:
        return Line(fixed, each)
    if wide and each < 0:
        return Line(mean_s, 0.0)
    return Line(0.0, sum(n * s for n, s in points) / squares)


@dataclass(frozen=True)
class Sample:
    """Some images that were done together, and the seconds of each stage."""

    images: int
    seconds: Mapping[Stage, float]


@dataclass(frozen=True)
class Measured:
    """What is known of a kind of parts.

    Attributes:
        name: for people.
        samples: one at least.
        explain: passes of explaining one image by all methods.
        score: passes of scoring all its explanations.
        images: on how many it was measured.
        repeated: whether samples were run after one that warmed up.
        size: bytes that are written of one image.
    """

    name: str
    samples: tuple[Sample, ...]
    explain: Passes
    score: Passes
    images: int
    repeated: bool
    size: float = 0.0

    @cached_property
    def lines(self) -> Mapping[Stage, Line]:
        """Return seconds of each stage that was timed."""
        return {
            stage: line_through([(one.images, one.seconds.get(stage, 0.0)) for one in self.samples])
            for stage in STAGES
            if any(stage in one.seconds for one in self.samples)
        }

    def seconds(self, images: int) -> float:
        """Return how long a part of so many images takes."""
        return sum(line.at(images) for line in self.lines.values())

    @property
    def spread(self) -> float:
        """How far, as a share, samples lie from what is said of them; never less than a quarter."""
        if not self.repeated or len(self.samples) < 2:
            return UNREPEATED
        off = [abs(sum(s.seconds.values()) / self.seconds(s.images) - 1) for s in self.samples]
        return max(LEAST_SPREAD, *off)


@dataclass(frozen=True)
class Part:
    """A part of the work: of which kind it is, and how many images it has."""

    kind: Measured
    images: int

    @cached_property
    def seconds(self) -> float:
        """Return how long it takes."""
        return self.kind.seconds(self.images)


@dataclass(frozen=True)
class Wall:
    """How long so many workers take.

    Attributes:
        seconds: from the start of the first worker to the end of the last.
        busy: the share of their time in which they work.
        limit: what takes more than half of the time and more workers would not shorten; else empty.
    """

    workers: int
    seconds: float
    busy: float
    limit: str


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    Attributes:
        parts: in the order in which they are handed out.
        load: seconds until a worker has loaded what it needs.
        alone: seconds, by what they are for, of what one worker does while no other works.
        proof: whether the first part is done before the others are handed out.
    """

    parts: tuple[Part, ...]
    load: float = 0.0
    alone: Mapping[str, float] = field(default_factory=dict)
    proof: bool = False

    @cached_property
    def stages(self) -> Mapping[Stage, float]:
        """Return the seconds of each stage, of all parts together."""
        found: dict[Stage, float] = {}
        for part in self.parts:
            for stage, line in part.kind.lines.items():
                found[stage] = found.get(stage, 0.0) + line.at(part.images)
        return found

    @property
    def work(self) -> float:
        """Return the seconds that all workers work together, loading aside."""
        return sum(part.seconds for part in self.parts) + sum(self.alone.values())

    @property
    def size(self) -> float:
        """Return the bytes that are written."""
        return sum(part.kind.size * part.images for part in self.parts)

    @property
    def spread(self) -> float:
        """How far off it may be, as a share; each kind weighs as much as it takes."""
        total = sum(part.seconds for part in self.parts)
        weighed = sum(part.seconds * part.kind.spread for part in self.parts)
        return weighed / total if total else UNREPEATED

    def wall(self, workers: int) -> Wall:
        """Return how long so many workers take, and what most of that time goes to."""
        seconds = [part.seconds for part in self.parts]
        first = sum(seconds[:1]) if self.proof and workers > 1 else 0.0
        rest = seconds[1:] if first else seconds
        together = makespan(rest, workers)
        spans = {
            **self.alone,
            LOADING: self.load,
            FIRST: first,
            FEW: together if together > UNEVEN * sum(rest) / workers else 0.0,
        }
        wall = self.load + first + together + sum(self.alone.values())
        longest = max(spans, key=lambda name: spans[name])
        limit = longest if spans[longest] > wall / 2 else ""
        return Wall(workers, wall, self.work / (workers * wall) if wall else 1.0, limit)


def makespan(seconds: Sequence[float], workers: int) -> float:
    """Return when the last of some parts is done that are handed out in order to who is free.

    Raises:
        ValueError: there is no worker.
    """
    if workers < 1:
        raise ValueError(f"{workers} workers do nothing")
    free = [0.0] * min(workers, max(1, len(seconds)))
    for one in seconds:
        heapq.heapreplace(free, free[0] + one)
    return max(free)


def doubling(parts: int, asked: int | None, most: int = 64) -> list[int]:
    """Return 1, 2, 4, ... workers as far as there are parts for them, and the number asked."""
    found = {1} | ({asked} if asked else set())
    count = 2
    while count <= min(parts, most):
        found.add(count)
        count *= 2
    return sorted(found)
