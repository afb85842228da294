"""Quality against cost: which methods are not beaten by a cheaper one, and what a second buys."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from regionwise.benchmark.advice import SAME_COST, tests_with
from regionwise.benchmark.comparing import PairTest
from regionwise.benchmark.per_image import is_control
from regionwise.benchmark.questions import Main

ROUNDING = 1e-5
"""Answers that differ by this share are equal: methods that coincide in theory differ by it."""


@dataclass(frozen=True)
class Point:
    """A method: its seconds per image, and its answer with interval.

    ``front`` says that no cheaper one is as good; it is never true of controls.
    """

    method: str
    seconds: float
    value: float
    low: float
    high: float
    front: bool

    @property
    def control(self) -> bool:
        """Whether its maps do not know the network."""
        return is_control(self.method)


@dataclass(frozen=True)
class Step:
    """From one method of the front to the next dearer: what it costs and gains.

    ``p`` is corrected; NaN without a test.
    """

    cheaper: Point
    dearer: Point
    gain: float
    p: float


@dataclass(frozen=True)
class Tradeoff:
    """Quality against cost by one main metric; points by cost."""

    main: Main
    points: tuple[Point, ...]
    steps: tuple[Step, ...]

    @property
    def front(self) -> tuple[Point, ...]:
        """The points that no cheaper one equals, by cost."""
        return tuple(point for point in self.points if point.front)


def tradeoff_of(
    main: Main, seconds: Mapping[str, float], tests: Sequence[PairTest]
) -> Tradeoff | None:
    """Return quality against cost of the methods whose cost is known; ``None`` if there are none.

    On the front are the methods that know the network, and that no other such method beats at the
    same cost or less, or equals at less.
    """
    sign = -1.0 if main.first.direction == "lower" else 1.0
    priced = [(seconds[a.method], a) for a in main.answers if a.method in seconds]
    priced.sort(key=lambda pair: (pair[0], -sign * pair[1].common))
    able = [(cost, sign * a.common) for cost, a in priced if not is_control(a.method)]
    points: list[Point] = []
    for place, (cost, answer) in enumerate(priced):
        value, low, high = main.fair(answer)
        own = (cost, sign * answer.common)
        front = not is_control(answer.method) and not any(_beats(o, own) for o in able)
        twin = any(p.front and _twins(p.value, value) for p in points[:place])
        points.append(Point(answer.method, cost, value, low, high, front and not twin))
    found = Tradeoff(main, tuple(points), ())
    if not found.front:
        return None
    return Tradeoff(main, found.points, tuple(_steps(main, found.front, tests, sign)))


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether the first, (cost, goodness), is better and costs no more."""
    return one[1] > other[1] and not _twins(one[1], other[1]) and one[0] <= SAME_COST * other[0]


def _twins(first: float, second: float) -> bool:
    return math.isclose(first, second, rel_tol=ROUNDING, abs_tol=ROUNDING**2)


def _steps(
    main: Main, front: Sequence[Point], tests: Sequence[PairTest], sign: float
) -> list[Step]:
    by_method = {answer.method: answer for answer in main.answers}
    steps = []
    for cheaper, dearer in pairwise(front):
        test = tests_with(tests, by_method[dearer.method]).get(cheaper.method)
        gain = sign * (dearer.value - cheaper.value)
        steps.append(Step(cheaper, dearer, gain, math.nan if test is None else test.p_holm))
    return steps
