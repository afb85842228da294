"""A claim in one family: every pair of its sides, and the pair that decides it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from regionwise.benchmark.claims import Claim, Side
from regionwise.benchmark.claims_contrasts import Contrast, borda_contrast, contrasts_of
from regionwise.benchmark.claims_samples import Sample
from regionwise.metrics.recipe import Metric


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Two sides, or one and a bound, on the same pictures.

    Attributes:
        first, second: what was compared, in words.
        first_value, second_value: their numbers.
        difference: positive if it is as claimed; of sides that are claimed to be equal, the first
            less the second.
        low, high: its 95 % interval.
        within: the tolerance of a claim that both are equal; 0 of the others.
        bound: ``below`` or ``above`` of a claim to a number's side; then ``second_value`` is the
            bound, and ``difference`` is how far inside the number lies.
        images: pictures that it is made of.
        support: how far the numbers are on the side of the claim; negative: on the other.
        p: two-sided, not yet corrected.
        pairs: how many pairs of sides the claim is of; this one decides.
    """

    first: str
    second: str
    first_value: float
    second_value: float
    difference: float
    low: float
    high: float
    within: float = 0.0
    bound: str = ""
    images: int
    support: float
    p: float
    pairs: int = 1


def deciding(claim: Claim, samples: Sequence[Sample], seed: int) -> Compared | None:
    """Return the pair that decides a claim: the weakest if all are as claimed, else the worst.

    A claim of several pairs holds if each does, so their largest p stands (intersection-union);
    it fails if one does, so the smallest p among those on the other side counts, times the number
    of pairs (Bonferroni). ``None`` if a pair has no number.

    Args:
        claim: of any kind but ``first``.
        samples: of its sides, in their order, aligned.
        seed: of intervals and tests.

    Reference: Berger 1982, for the intersection-union test.
    """
    pairs = list(_pairs(claim, samples, seed))
    if not pairs or any(math.isnan(pair.support) for pair in pairs):
        return None
    against = [pair for pair in pairs if pair.support < 0]
    if not against:
        return _with(max(pairs, key=lambda pair: (pair.p, -pair.support)), len(pairs), 1)
    worst = min(against, key=lambda pair: (pair.p, pair.support))
    return _with(worst, len(pairs), len(pairs))


def ranked(claim: Claim, samples: Sequence[Sample], seed: int) -> Compared | None:
    """Return a claim to the first place of a Borda count: its points against the best rival's.

    Args:
        claim: of the kind ``first``, with one side.
        samples: of its sides, metric by metric, aligned.
        seed: of the draws.
    """
    width = len(claim.every)
    tables = {
        name: list(samples[place * width : (place + 1) * width])
        for place, name in enumerate(claim.metrics)
    }
    found = borda_contrast(tables, seed)
    return Compared(
        first=named_side(claim.sides[0]),
        second="the best rival",
        first_value=found.first,
        second_value=found.second,
        difference=found.value,
        low=found.low,
        high=found.high,
        images=found.images,
        support=found.value,
        p=found.p(0.0),
    )


def named_side(side: Side) -> str:
    """Return a side in words: its role, method, and metric if it has its own."""
    text = f"{side.role}: {side.method}" if side.method else side.role
    return f"{text} by {side.metric}" if side.metric else text


def _pairs(claim: Claim, samples: Sequence[Sample], seed: int) -> Iterator[Compared]:
    count = len(claim.sides)
    rivals = range(count, len(samples))
    places: list[tuple[int, ...]] = [(first,) for first in range(count)]
    if claim.than:
        places = [(first, second) for first in range(count) for second in rivals]
    met = contrasts_of(samples, places, each=claim.by == "image", seed=seed)
    for place, contrast in zip(places, met, strict=True):
        sides = tuple(claim.every[k] for k in place)
        yield _compared(claim, sides, contrast, samples[place[0]].metric)


def _compared(claim: Claim, sides: tuple[Side, ...], met: Contrast, metric: Metric) -> Compared:
    """Turn a contrast into the direction of the claim."""
    alone = len(sides) == 1
    sign, number, support = _direction(claim, met, metric)
    ends = sorted((sign * (met.low - number) + 0.0, sign * (met.high - number) + 0.0))
    return Compared(
        first=named_side(sides[0]),
        second=f"{claim.way} {claim.limit:g}" if alone else named_side(sides[1]),
        first_value=met.first,
        second_value=claim.limit if alone else met.second,
        difference=sign * (met.value - number) + 0.0,  # no negative zero
        low=ends[0],
        high=ends[1],
        within=claim.limit if claim.way == "within" else 0.0,
        bound=claim.way if alone else "",
        images=met.images,
        support=support,
        p=_p(claim, met, number),
    )


def _direction(claim: Claim, met: Contrast, metric: Metric) -> tuple[float, float, float]:
    """Return sign and origin of what is shown, and how far the numbers support the claim."""
    if claim.kind == "equal":
        return 1.0, 0.0, claim.limit - abs(met.value)
    if claim.kind == "bound":
        sign = -1.0 if claim.way == "below" else 1.0
        return sign, claim.limit, sign * (met.value - claim.limit)
    sign = -1.0 if metric.card.direction == "lower" else 1.0
    return sign, 0.0, sign * met.value


def _p(claim: Claim, met: Contrast, number: float) -> float:
    """Return p at the border of the claim; within a tolerance, of the nearer border.

    Inside of both borders both have to be excluded: the larger p (two one-sided tests).
    """
    if claim.kind != "equal":
        return met.p(number)
    if abs(met.value) <= claim.limit:
        return max(met.p(claim.limit), met.p(-claim.limit))
    return met.p(math.copysign(claim.limit, met.value))


def _with(pair: Compared, pairs: int, times: int) -> Compared:
    return replace(pair, p=min(1.0, pair.p * times), pairs=pairs)
