"""Verdicts as files: Markdown for people, CSV for programs; and words that all outputs share."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Final

from regionwise.benchmark.claims import Claim
from regionwise.benchmark.claims_pairs import Compared
from regionwise.benchmark.claims_verdicts import WORDS, Finding, Verdict
from regionwise.benchmark.grids import number

HOW: Final = (
    "A difference is positive if it is as claimed, with its 95 % bootstrap interval over pictures."
    " A claim holds in a family if its two-sided test is significant in its favour, and does not"
    " hold if it is significant against it: p, corrected by Holm for all {} tests here, is below"
    " 0.05. Tests flip the signs of the pictures' differences; where an answer is no mean over"
    " pictures, they go by the bootstrap's standard error. Overall a claim holds if it does in"
    " every family measured, and does not hold if it fails in one and holds in none."
)
ONLY: Final = "All of this is said of {} and of these networks, and of nothing else: {}."
_COUNTED: Final = {
    "holds": ("holds", "hold"),
    "does not hold": ("does not hold", "do not hold"),
    "undecided": ("is undecided", "are undecided"),
    "not measured": ("was not measured", "were not measured"),
}


def claims_markdown(verdicts: Sequence[Verdict], picture: str = "") -> str:
    """Return the verdicts as a page; ``picture`` is the name of a file that shows them."""
    families = families_of(verdicts)
    heads = ["claim", "source", "verdict", *families]
    rows = [
        [v.claim.says, v.claim.source, overall(v), *(_cell(one) for one in v.findings)]
        for v in verdicts
    ]
    parts = [
        "# Claims",
        counted(verdicts),
        explained(verdicts),
        f"![every claim in every family]({picture})" if picture else "",
        _pipes([heads, *rows]),
        "## What was compared",
        _pipes([DETAILS, *(detail for v in verdicts for detail in details(v))]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def claims_csv(verdicts: Sequence[Verdict]) -> str:
    """Return a line for each claim and family."""
    head = [
        *("claim", "says", "source", "kind", "metrics", "target", "data", "family", "verdict"),
        *("overall", "holds_in", "first", "second", "images", "first_value", "second_value"),
        *("difference", "low", "high", "within", "pairs", "p", "p_holm", "reason"),
    ]
    lines: list[Sequence[object]] = [head]
    for v in verdicts:
        claim = v.claim
        about = [claim.id, claim.says, claim.source, claim.kind, " ".join(claim.metrics)]
        for one in v.findings:
            key = [*about, claim.target, v.data, one.family, one.word, v.word, v.share]
            lines.append([*key, *_numbers(one.compared), one.p_holm, one.reason])
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(lines)
    return stream.getvalue()


DETAILS: Final = [
    *("claim", "family", "metric", "compared", "numbers", "pictures", "difference", "p", "verdict")
]


def details(verdict: Verdict) -> list[list[str]]:
    """Return what was compared in each family, as columns of :data:`DETAILS`."""
    return [[verdict.claim.id, *_detail(verdict, one)] for one in verdict.findings]


def overall(verdict: Verdict) -> str:
    """Return the verdict over all families, such as ``holds on birds (3 of 3)``."""
    if verdict.word == "not measured":
        return verdict.word
    return f"{verdict.word} on {verdict.data} ({verdict.share})"


def difference(compared: Compared) -> str:
    """Return a difference with its interval and tolerance; of a bound the number itself."""
    if compared.bound:
        inside = -1 if compared.bound == "below" else 1
        ends = sorted(compared.second_value + inside * end for end in (compared.low, compared.high))
        text = f"{number(compared.first_value)} [{number(ends[0])}, {number(ends[1])}]"
        return f"{text} {compared.second}"
    if compared.difference == compared.low == compared.high == 0:
        return "0 throughout"
    text = f"{_signed(compared.difference)} [{number(compared.low)}, {number(compared.high)}]"
    return f"{text} of ±{compared.within:g}" if compared.within else text


def counted(verdicts: Sequence[Verdict]) -> str:
    """Return how many claims hold, do not, and so on."""
    counts = Counter(verdict.word for verdict in verdicts)
    parts = [
        f"{counts[word]} {_COUNTED[word][counts[word] != 1]}" for word in WORDS if counts[word]
    ]
    noun = "claim" if len(verdicts) == 1 else "claims"
    return f"{len(verdicts)} {noun} on {_data(verdicts)}: {', '.join(parts)}."


def explained(verdicts: Sequence[Verdict]) -> str:
    """Return how to read the verdicts, and what they are said of."""
    tests = sum(len(verdict.measured) for verdict in verdicts)
    return f"{HOW.format(tests)} {ONLY.format(_data(verdicts), _networks(verdicts))}"


def families_of(verdicts: Sequence[Verdict]) -> list[str]:
    """Return the names of the families, in order."""
    return list(dict.fromkeys(one.family for v in verdicts for one in v.findings))


def _networks(verdicts: Sequence[Verdict]) -> str:
    """Return the networks of each family, such as ``BirdNet (vanilla birds-1)``."""
    found = {one.family: one.networks for verdict in verdicts for one in verdict.findings}
    return "; ".join(
        f"{family} ({', '.join(f'{role} {model}' for role, model in networks.items())})"
        for family, networks in found.items()
    )


def _data(verdicts: Sequence[Verdict]) -> str:
    return verdicts[0].data if verdicts else "nothing"


def _cell(finding: Finding) -> str:
    if finding.compared is None:
        return f"not measured: {finding.reason}"
    return f"{finding.word}: {difference(finding.compared)}"


def _detail(verdict: Verdict, finding: Finding) -> list[str]:
    metric = ", ".join(verdict.claim.metrics)
    met = finding.compared
    if met is None:
        return [finding.family, metric, finding.reason, "", "", "", "", finding.word]
    more = f" (decides of {met.pairs} pairs)" if met.pairs > 1 else ""
    return [
        finding.family,
        f"{metric} ({_protocol(verdict.claim)})",
        f"{met.first} | {met.second}{more}",
        f"{number(met.first_value)} | {number(met.second_value)}",
        str(met.images),
        difference(met),
        f"{number(met.p)}, corrected {number(finding.p_holm)}",
        finding.word,
    ]


def _protocol(claim: Claim) -> str:
    by = ", by picture" if claim.by == "image" else ""
    judge = f", judged by {claim.judge}" if claim.judge else ""
    return f"{claim.target} class{by}{judge}"


def _numbers(met: Compared | None) -> list[object]:
    if met is None:
        return [""] * 11
    return [
        *(met.first, met.second, met.images, met.first_value, met.second_value),
        *(met.difference, met.low, met.high, met.within, met.pairs, met.p),
    ]


def _signed(value: float) -> str:
    return number(value) if value <= 0 else f"+{number(value)}"


def _pipes(rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
