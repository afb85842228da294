"""From the numbers of a check to a verdict: holds, partly, fails, or not known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from regionwise.report.audit_result import Audit, Chance, Checked, Curve, Redrawn, mean_of

Grade: TypeAlias = Literal["holds", "partly", "fails", "unknown"]

LEVEL: Final = (0.05, 0.5)
"""How often a random order may do as well as a map that is better than chance; and as one that is
better than most random orders."""

CLOSE: Final = 0.05
"""Relative gap up to which a sum that is not complete counts as nearly so. A convention."""

ALIKE: Final = (0.5, 0.8)
"""A map that keeps a rank correlation below the first, when the weights are drawn anew, depends on
them; above the second it hardly does. A convention of this page."""

STEADY: Final = (0.9, 0.7)
"""A map that keeps a rank correlation above the first under small noise is steady; below the second
it is not. A convention of this page."""

CHECKS: Final = ("adding up", "deletion", "insertion", "weights drawn anew", "noise")
"""In the order in which they are shown."""


@dataclass(frozen=True)
class Verdict:
    """What a check says.

    Attributes:
        check: one of :data:`CHECKS`.
        grade: the verdict.
        number: what was measured.
        note: what it is held against.
    """

    check: str
    grade: Grade
    number: str
    note: str


def verdicts_of(audit: Audit, one: Checked) -> tuple[Verdict, ...]:
    """Return what the checks say of one map, in the order of :data:`CHECKS`."""
    chance = audit.chance[one.grain]
    return (
        _sum(one),
        _removal("deletion", one, chance),
        _removal("insertion", one, chance),
        _redrawn(one),
        _noise(one),
    )


def beaten(curve: Curve, others: tuple[Curve, ...], *, check: str) -> int:
    """Return how many random orders a map does better than."""
    lower = check == "deletion"
    return sum(curve.area < o.area if lower else curve.area > o.area for o in others)


def chance_level(better: int, count: int) -> float:
    """Return how often a random order does as well: (1 + those that do) / (1 + all of them)."""
    return (1 + count - better) / (1 + count)


def _sum(one: Checked) -> Verdict:
    check = "adding up"
    if one.total is None:
        return Verdict(check, "unknown", "", one.missing.get(check, "claims no sum"))
    near = one.total.gap <= CLOSE
    grade: Grade = "holds" if one.total.complete else "partly" if near else "fails"
    of = "of the probability" if "logit" not in one.total.protocol else "of the logit's change"
    return Verdict(check, grade, f"{gap_text(one.total.gap)} off", of)


def gap_text(gap: float) -> str:
    """Return a relative gap for reading, also one that would round to nothing."""
    return f"{gap:.2%}" if gap == 0 or gap >= 5e-5 else f"{gap:.0e}"


def span(values: Iterable[float], form: str = "z.2f") -> str:
    """Return the smallest and the largest number, or the one that both are."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return "not defined"
    low, high = format(min(known), form), format(max(known), form)
    return low if low == high else f"{low} to {high}"


def _removal(check: str, one: Checked, chance: Chance) -> Verdict:
    if one.curves is None:
        return Verdict(check, "unknown", "", one.missing.get("removal", _blank(one)))
    deletion = check == "deletion"
    curve = one.curves.deletion if deletion else one.curves.insertion
    others = chance.deletion if deletion else chance.insertion
    better, count = beaten(curve, others, check=check), len(others)
    level = chance_level(better, count)
    grade: Grade = "holds" if level <= LEVEL[0] else "partly" if level < LEVEL[1] else "fails"
    return Verdict(
        check, grade, f"{curve.area:.3g}", f"better than {better} of {count} random orders"
    )


def _redrawn(one: Checked) -> Verdict:
    check = "weights drawn anew"
    if one.redrawn is None:
        return Verdict(check, "unknown", "", one.missing.get(check, _blank(one)))
    last = one.redrawn.last
    if not last:
        return Verdict(check, "unknown", "", "the maps of drawn weights are blank")
    kept = mean_of(last)
    grade: Grade = "holds" if kept < ALIKE[0] else "partly" if kept < ALIKE[1] else "fails"
    return Verdict(check, grade, f"{kept:z.2f}", _draws(one.redrawn))


def _draws(redrawn: Redrawn) -> str:
    last, count = redrawn.last, len(redrawn.similarity)
    if count == 1:
        return "one draw"
    blank = f", {count - len(last)} blank" if len(last) < count else ""
    return f"{span(last)} in {count} draws{blank}"


def _noise(one: Checked) -> Verdict:
    if one.noisy is None:
        return Verdict("noise", "unknown", "", one.missing.get("noise", _blank(one)))
    kept = mean_of(one.noisy)
    if math.isnan(kept):
        return Verdict("noise", "unknown", "", "the maps of the noisy copies are blank")
    grade: Grade = "holds" if kept >= STEADY[0] else "partly" if kept >= STEADY[1] else "fails"
    return Verdict("noise", grade, f"{kept:.2f}", f"lowest {min(one.noisy):.2f}")


def _blank(one: Checked) -> str:
    return f"blank map: {', '.join(one.blank)}" if one.blank else "not run"
