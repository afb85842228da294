"""From rows to verdicts: the interval's unfavourable end decides."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.claims import Claim, Compared
from bench.intervals import Estimate, located, ratio
from bench.rows import Row

REACHED, BY_MEDIAN, SHORT = "reached", "reached by the median", "falls short"
WITHIN, UNSURE = "within rounding", "too few turns"


@dataclass(frozen=True)
class Side:
    """What one side of a comparison took for one image; ``None`` for what was not measured."""

    ms: float | None = None
    mib: float | None = None
    passes: float | None = None


@dataclass(frozen=True)
class Verdict:
    """A claim, judged on one network.

    Attributes:
        claim: what was asked.
        of: the network.
        found: the number; ``None`` where it was not measured.
        called: which of several comparisons was the worst.
        word: the verdict, or why there is none.
        sides: ours and theirs.
        rounding: of a difference from the plain formulation, what float32 itself makes of that.
    """

    claim: Claim
    of: str
    found: Estimate | None
    called: str
    word: str
    sides: tuple[Side, Side] = (Side(), Side())
    rounding: float | None = None


def verdicts(claims: Iterable[Claim], rows: Mapping[str, Row]) -> Iterator[Verdict]:
    """Yield the verdict of each claim on each network that it was measured on."""
    for claim in claims:
        for name, row in rows.items():
            group, of = name.split("/", 1)
            if group == claim.group and any(_concerns(one, row) for one in claim.compared):
                yield judged(_for_network(claim, of), of, row)


def judged(claim: Claim, of: str, row: Row) -> Verdict:
    """Judge a claim by the worst of its comparisons; what is missing is worse than anything."""
    absent = next(filter(None, (_missing(one, row) for one in claim.compared)), None)
    if absent is not None:
        return Verdict(claim, of, None, "", f"not measured: {absent}")
    found = [(one, _number(claim, one, row)) for one in claim.compared]
    sign = -1 if claim.at_most else 1
    one, number = min(found, key=lambda pair: sign * _end(claim, pair[1]))
    called = one.called if len(found) > 1 else ""
    sides = _side(one.ours, row), _side(one.theirs, row)
    rounding = _rounding(one, row)
    word = _word(claim, number)
    if word == SHORT and rounding is not None and number.value <= rounding:
        word = WITHIN
    return Verdict(claim, of, number, called, word, sides, rounding)


def _rounding(one: Compared, row: Row) -> float | None:
    """Return what float32 itself makes of a difference from the plain formulation, if known."""
    kind, _, rest = one.ours[0].partition("difference")
    found: float | None = None if kind else row["values"].get(f"rounding{rest}")
    return found


def _for_network(claim: Claim, of: str) -> Claim:
    """Return the claim as it is asked of a network: of a transformer's tail less is asked."""
    if claim.group == "ablation-cam" and claim.asked == 500 and of.startswith("vit"):
        return Claim(**{**vars(claim), "asked": 20})
    return claim


def _concerns(one: Compared, row: Row) -> bool:
    known = {*row["contenders"], *row["values"], *row["absent"]}
    return known.issuperset((*one.ours, *one.theirs))


def _missing(one: Compared, row: Row) -> str | None:
    for name in (*one.ours, *one.theirs):
        reason = row["absent"].get(name) or row["contenders"].get(name, {}).get("missing")
        if reason is not None:
            return str(reason)
    return None


def _number(claim: Claim, one: Compared, row: Row) -> Estimate:
    if claim.measure == "value":
        value = float(row["values"][one.ours[0]])
        return Estimate(value, value, value)
    if claim.measure == "seconds":
        return located(turns(one.ours, row))
    if "memory" in claim.measure:
        ours, theirs = (_bytes(names, row) for names in (one.ours, one.theirs))
        value = ours / theirs if claim.at_most else theirs / ours
        return Estimate(value, value, value)
    ours, theirs = turns(one.ours, row), turns(one.theirs, row)
    return ratio(ours, theirs) if claim.at_most else ratio(theirs, ours)


def turns(names: Sequence[str], row: Row) -> list[float]:
    """Return the seconds per image of every turn; several contenders' add up turn by turn."""
    contenders = [row["contenders"][name] for name in names]
    each = [[s / one["images"] for s in one["seconds"]] for one in contenders]
    return [sum(turn) for turn in zip(*each, strict=True)]


def _bytes(names: Sequence[str], row: Row) -> float:
    return sum(max(row["contenders"][name]["bytes"], 1) for name in names)


def _end(claim: Claim, number: Estimate) -> float:
    return number.high if claim.at_most else number.low


def _word(claim: Claim, number: Estimate) -> str:
    def reaches(value: float) -> bool:
        return value <= claim.asked if claim.at_most else value >= claim.asked

    if reaches(_end(claim, number)):
        word = REACHED
    elif reaches(number.value):
        word = BY_MEDIAN
    else:
        word = SHORT
    return word if number.sure else f"{word} ({UNSURE})"


def _side(names: Sequence[str], row: Row) -> Side:
    found: list[dict[str, Any]] = [row["contenders"].get(name, {}) for name in names]
    if not found or not all(found):
        return Side()
    ms = mib = passes = None
    if all("seconds" in one for one in found):
        ms = 1e3 * statistics.median(turns(names, row))
    if all("bytes" in one for one in found):
        mib = max(one["bytes"] for one in found) / 2**20
        passes = sum(one["passes"] for one in found)
    return Side(ms, mib, passes)
