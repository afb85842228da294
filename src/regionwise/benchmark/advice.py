"""Which method should I use for my model? What the rows say to that, and no more."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from regionwise.benchmark.answers import Answer
from regionwise.benchmark.comparing import SURE, PairTest
from regionwise.benchmark.per_image import is_control
from regionwise.benchmark.questions import Main, mains_of
from regionwise.benchmark.summary import Summary

SAME_COST: Final = 1.25
"""Costs that differ by less than this factor count as equal: they are medians of few pictures."""


@dataclass(frozen=True)
class Standing:
    """How the methods stand by one main metric; controls are no candidates.

    Attributes:
        main: the question and all answers.
        best: the answer of the best method.
        equal: the others that are not shown to differ from it.
        worse: those that are, with their corrected p.
        tested: whether there is a test; not of metrics without a number per image.
        cheapest: the best of those good ones that cost the least; empty if no cost is known.
        control: the answer of the best control, if there is one.
        weak: by control, the methods that are not shown to be better than it.
    """

    main: Main
    best: Answer
    equal: tuple[str, ...]
    worse: Mapping[str, float]
    tested: bool
    cheapest: str
    weak: Mapping[str, tuple[str, ...]]
    control: Answer | None

    @property
    def able(self) -> tuple[Answer, ...]:
        """The answers of all methods that know the network, the best first."""
        sign = -1.0 if self.main.first.direction == "lower" else 1.0
        known = [a for a in self.main.answers if not is_control(a.method)]
        return tuple(sorted(known, key=lambda a: -sign * a.common))

    @property
    def good(self) -> frozenset[str]:
        """The best method and its equals, but those that the best control outdoes."""
        able = {a.method for a in self.able if not self.outdone(a)}
        return frozenset({self.best.method, *self.equal} & able)

    def outdone(self, answer: Answer) -> bool:
        """Whether the best control has a better answer, or the same."""
        if self.control is None:
            return False
        sign = -1.0 if answer.direction == "lower" else 1.0
        return sign * self.control.common >= sign * answer.common


@dataclass(frozen=True)
class Advice:
    """What to use for one model.

    Attributes:
        model: of which everything is said.
        standings: by main metric.
        pick: of the methods that are among the good ones most often, and that cost as little as any
            of these, the one with the best mean rank.
        missed: the standings in which it is shown to be worse than the best.
        same: groups of methods whose numbers all agree.
        seconds: what an image costs, by method.
    """

    model: str
    standings: tuple[Standing, ...]
    pick: str
    missed: tuple[Standing, ...]
    same: tuple[tuple[str, ...], ...]
    seconds: Mapping[str, float]


def advice_of(summary: Summary) -> list[Advice]:
    """Return the advice for each network of a benchmark of which something can be said."""
    found = []
    judges = summary.plan["recipe"]["judges"]
    for used in summary.plan["models"]:
        model = used["source"]
        seconds = seconds_of(summary, model)
        standings = [
            _standing(main, summary, seconds) for main in mains_of(summary.answers, model, judges)
        ]
        if standings:
            pick = _pick(standings, seconds)
            missed = tuple(one for one in standings if pick in one.worse)
            same = tuple(summary.coincide.get(model, ()))
            found.append(Advice(model, tuple(standings), pick, missed, same, seconds))
    return found


def seconds_of(summary: Summary, model: str) -> dict[str, float]:
    """Return the median seconds of an image by each method of a model that was measured."""
    return {
        method: cost["seconds"]
        for (source, method), cost in summary.cost.items()
        if source == model and math.isfinite(cost.get("seconds", math.nan))
    }


def tests_with(tests: Sequence[PairTest], answer: Answer) -> dict[str, PairTest]:
    """Return the tests of a method against each other one of its table."""
    table, method = answer.table, answer.method
    own = [t for t in tests if t.table == table and method in {t.first, t.second}]
    return {t.second if t.first == method else t.first: t for t in own}


def _standing(main: Main, summary: Summary, seconds: Mapping[str, float]) -> Standing:
    sign = -1.0 if main.first.direction == "lower" else 1.0
    ranked = sorted(main.answers, key=lambda a: -sign * a.common)
    able = [a for a in ranked if not is_control(a.method)]
    tests = tests_with(summary.tests, able[0])
    others = [a.method for a in main.answers if a in able[1:]]
    worse = {m: tests[m].p_holm for m in others if m in tests and _is_worse(m, tests[m], sign)}
    weak = {
        control: methods
        for answer, control, methods in summary.no_better
        if answer.table == main.first.table
    }
    found = Standing(
        main=main,
        best=able[0],
        equal=tuple(m for m in others if m in tests and m not in worse),
        worse=worse,
        tested=bool(tests),
        cheapest="",
        weak=weak,
        control=next((a for a in ranked if is_control(a.method)), None),
    )
    cheap = _cheap(found.good, seconds)
    return replace(found, cheapest=next((a.method for a in able if a.method in cheap), ""))


def _is_worse(method: str, test: PairTest, sign: float) -> bool:
    """Whether a test shows a method to be worse than the other one.

    Answers pool pixels of images, tests compare images: they may contradict each other.
    """
    ahead = test.difference if test.second == method else -test.difference
    return test.p_holm < SURE and sign * ahead > 0


def _cheap(methods: Collection[str], seconds: Mapping[str, float]) -> set[str]:
    """Return the methods that cost as little as the cheapest of them."""
    priced = {method: seconds[method] for method in methods if method in seconds}
    least = min(priced.values(), default=math.inf)
    return {method for method, cost in priced.items() if cost <= SAME_COST * least}


def _pick(standings: Sequence[Standing], seconds: Mapping[str, float]) -> str:
    """Return the method that is good most often; of several a cheap one, that with the best rank.

    Only what is tested counts, if anything is.
    """
    counted = [one for one in standings if one.tested] or standings
    methods = dict.fromkeys(a.method for one in counted for a in one.main.answers)
    times = {m: sum(m in one.good for one in counted) for m in methods if not is_control(m)}
    most = [m for m in times if times[m] == max(times.values())]
    cheap = _cheap(most, seconds) or set(most)

    def rank(method: str) -> float:
        places = [[a.method for a in one.able] for one in counted]
        return sum(row.index(method) if method in row else len(row) for row in places)

    return min((m for m in most if m in cheap), key=rank)
