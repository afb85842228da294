"""From rows to verdicts: each claim in each family, corrected together, and overall.

A claim holds in a family if its test, corrected by Holm for all claims and families of the page, is
significant in its favour, and does not hold if it is against it. Overall it holds if it holds in
every family measured, and does not hold if it fails in one and holds in none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from regionwise.benchmark.claims import Claim, Family, Side
from regionwise.benchmark.claims_pairs import Compared, deciding, ranked
from regionwise.benchmark.claims_samples import Sample, aligned
from regionwise.benchmark.comparing import SURE
from regionwise.benchmark.reading import Scored
from regionwise.benchmark.statistics import holm
from regionwise.metrics.catalog import metrics as known_metrics

Word: TypeAlias = Literal["holds", "does not hold", "undecided", "not measured"]
WORDS: Final[tuple[Word, ...]] = ("holds", "does not hold", "undecided", "not measured")


@dataclass(frozen=True)
class Asked:
    """Which rows are wanted: the canonical id of the metric, all else as in the recipe."""

    model: str
    method: str
    metric: str
    target: str
    judge: str


Lookup: TypeAlias = Callable[[Asked], Scored | str]
"""From what is asked to rows; or why there are none, in words."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one family says of a claim.

    Attributes:
        family: its name.
        networks: its networks by role.
        word: the verdict.
        compared: the comparison that decides; ``None`` where nothing was measured.
        p_holm: its p-value, corrected for all tests of the page.
        reason: why nothing was measured.
    """

    family: str
    networks: dict[str, str] = field(default_factory=dict)
    word: Word
    compared: Compared | None = None
    p_holm: float = math.nan
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """A claim and what was found; ``data`` is what it was tried on, such as ``birds``."""

    claim: Claim
    findings: tuple[Finding, ...]
    data: str

    @property
    def measured(self) -> tuple[Finding, ...]:
        """The families in which it was measured."""
        return tuple(one for one in self.findings if one.compared is not None)

    @property
    def word(self) -> Word:
        """The verdict over all families that were measured."""
        words = [one.word for one in self.measured]
        if not words:
            return "not measured"
        if all(word == "holds" for word in words):
            return "holds"
        if "does not hold" in words and "holds" not in words:
            return "does not hold"
        return "undecided"

    @property
    def share(self) -> str:
        """In how many of the measured families it holds, such as ``2 of 3``."""
        count = sum(one.word == "holds" for one in self.measured)
        return f"{count} of {len(self.measured)}"


def verdicts_on(
    claims: Sequence[Claim], families: Sequence[Family], lookup: Lookup, *, seed: int, data: str
) -> tuple[Verdict, ...]:
    """Return the verdict of every claim.

    Args:
        claims: what is claimed.
        families: networks by role.
        lookup: where rows are found.
        seed: of intervals and tests.
        data: what the rows are of.
    """
    found = [[_found(claim, family, lookup, seed) for family in families] for claim in claims]
    corrected = iter(holm([f.compared.p for row in found for f in row if f.compared is not None]))
    return tuple(
        Verdict(claim, tuple(_decided(one, corrected) for one in row), data)
        for claim, row in zip(claims, found, strict=True)
    )


def _decided(finding: Finding, corrected: Iterator[float]) -> Finding:
    if finding.compared is None:
        return finding
    p = next(corrected)
    sure: Word = "holds" if finding.compared.support > 0 else "does not hold"
    return replace(finding, p_holm=p, word=sure if p < SURE else "undecided")


def _found(claim: Claim, family: Family, lookup: Lookup, seed: int) -> Finding:
    """Return what a family says, before the correction; its word is not yet decided."""
    missing = Finding(family=family.name, networks=family.models, word="not measured")
    asked = [(side, metric) for metric in claim.metrics for side in claim.every]
    samples = [_sample(claim, side, metric, family, lookup) for side, metric in asked]
    reasons = [sample for sample in samples if isinstance(sample, str)]
    if reasons:
        return replace(missing, reason="; ".join(dict.fromkeys(reasons)))
    rows = aligned([sample for sample in samples if isinstance(sample, Sample)])
    if not rows[0].scored.units:
        return replace(missing, reason="its sides have no picture in common")
    decide = ranked if claim.kind == "first" else deciding
    decided = decide(claim, rows, seed)
    if decided is None:
        return replace(missing, reason="no picture has a number")
    return replace(missing, compared=decided)


def _sample(claim: Claim, side: Side, metric: str, family: Family, lookup: Lookup) -> Sample | str:
    """Return the rows of a side in a family; or why there are none."""
    model = family.models.get(side.role)
    if model is None:
        return f"no network in the role {side.role!r}"
    parsed = known_metrics.parse(side.metric or metric)
    found = lookup(Asked(model, side.method, parsed.id, claim.target, claim.judge))
    return found if isinstance(found, str) else Sample(parsed, found)
