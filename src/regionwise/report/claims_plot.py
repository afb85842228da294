"""Claims as a forest plot in SVG: a line for each claim and family, on both sides of zero."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from textwrap import shorten, wrap
from typing import Final

from regionwise.benchmark.claims_pairs import Compared
from regionwise.benchmark.claims_tables import difference
from regionwise.benchmark.claims_verdicts import Finding, Verdict, Word

WIDTH, MIDDLE, HALF = 1130, 540, 130
LABEL, FAMILY, NUMBERS, WORD = 8, 322, 690, 985
LINE, STEP, GAP, TOP = 15, 19, 14, 34
COLOURS: Final[dict[Word, str]] = {
    "holds": "#2166ac",
    "does not hold": "#b2182b",
    "undecided": "#6b6b6b",
    "not measured": "#9a9a9a",
}
"""Blue and red are told apart by all; marks and words say the same."""

_LETTERS, _REASON = 43, 44


def claims_plot(verdicts: Sequence[Verdict]) -> str:
    """Return the SVG, which also stands alone.

    Each claim has a scale of its own: its longest interval fills half the width.
    """
    parts, top = [], TOP
    for verdict in verdicts:
        height = _height(verdict)
        parts.append(_claim(verdict, top, height))
        top += height
    axis = f'<path d="M{MIDDLE} {TOP - 8}V{top - GAP}" stroke="#999" stroke-dasharray="2 2"/>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img"'
        ' aria-label="every claim in every family" font-family="system-ui,sans-serif"'
        f' style="min-width:{WIDTH}px">{_heads()}{axis}{"".join(parts)}</svg>'
    )


def _heads() -> str:
    against = _text(MIDDLE - HALF, 20, "← against the claim", "#666", anchor="start")
    as_claimed = _text(MIDDLE + HALF, 20, "as claimed →", "#666", anchor="end")
    return (
        against
        + as_claimed
        + _text(NUMBERS, 20, "difference, or number, and 95 % interval", "#666")
    )


def _height(verdict: Verdict) -> int:
    rows = max(LINE * len(_lines(verdict)) + 2, STEP * len(verdict.findings))
    return rows + GAP


def _lines(verdict: Verdict) -> list[tuple[str, str]]:
    """Return the words beside a claim, line by line, with their colour."""
    claim = [(line, "#111") for line in wrap(verdict.claim.says, _LETTERS)]
    return claim + [(line, "#777") for line in wrap(verdict.claim.source, _LETTERS)]


def _claim(verdict: Verdict, top: int, height: int) -> str:
    parts = [
        _text(LABEL, top + LINE * (place + 1) - 4, line, colour)
        for place, (line, colour) in enumerate(_lines(verdict))
    ]
    reach = _reach(verdict)
    for place, finding in enumerate(verdict.findings):
        parts.append(_finding(finding, top + STEP * place + STEP // 2, reach))
    colour = COLOURS[verdict.word]
    below = top + height - GAP // 2
    parts.append(_text(WORD, top + LINE - 2, verdict.word, colour, weight=600))
    if verdict.measured:
        below_it = f"on {verdict.data}, {verdict.share}"
        parts.append(_text(WORD, top + 2 * LINE - 2, below_it, colour))
    parts.append(f'<path d="M{LABEL} {below}H{WIDTH - LABEL}" stroke="#e4e4e4"/>')
    return "".join(parts)


def _reach(verdict: Verdict) -> float:
    """Return the number that half the width stands for."""
    met = [one.compared for one in verdict.measured if one.compared is not None]
    ends = [abs(v) for m in met for v in (m.low, m.high, m.difference, m.within)]
    return max((end for end in ends if math.isfinite(end)), default=0.0) or 1.0


def _finding(finding: Finding, middle: int, reach: float) -> str:
    colour = COLOURS[finding.word]
    parts = [_text(FAMILY, middle + 4, finding.family, "#444")]
    met = finding.compared
    if met is None:
        reason = shorten(finding.reason, _REASON, placeholder=" …")
        return parts[0] + _text(MIDDLE + 8, middle + 4, f"not measured: {reason}", colour)
    parts.append(_tolerance(met, middle, reach))
    if math.isfinite(met.low) and math.isfinite(met.high):
        left, right = _across(met.low, reach), _across(met.high, reach)
        parts.append(
            f'<path d="M{left:.1f} {middle}H{right:.1f}M{left:.1f} {middle - 4}v8'
            f'M{right:.1f} {middle - 4}v8" stroke="{colour}" stroke-width="1.8" fill="none"/>'
        )
    if math.isfinite(met.difference):
        parts.append(_mark(finding.word, _across(met.difference, reach), middle))
    parts.append(_text(NUMBERS, middle + 4, difference(met), colour))
    return "".join(parts)


def _tolerance(met: Compared, middle: int, reach: float) -> str:
    """Return the band in which two sides count as equal."""
    if not met.within:
        return ""
    left = _across(-met.within, reach)
    width = _across(met.within, reach) - left
    return f'<rect x="{left:.1f}" y="{middle - 8}" width="{width:.1f}" height="16" fill="#e9eef5"/>'


def _mark(word: Word, x: float, y: int) -> str:
    """Return a disc if the claim holds, a cross if it does not, a ring if nobody knows."""
    colour = COLOURS[word]
    if word == "does not hold":
        where = f"M{x - 5:.1f} {y - 5}l10 10M{x - 5:.1f} {y + 5}l10 -10"
        return f'<path d="{where}" stroke="{colour}" stroke-width="2.6"/>'
    fill = colour if word == "holds" else "#fff"
    return f'<circle cx="{x:.1f}" cy="{y}" r="4.5" fill="{fill}" stroke="{colour}"/>'


def _across(value: float, reach: float) -> float:
    return MIDDLE + HALF * max(-1.0, min(1.0, value / reach))


def _text(
    x: float, y: float, text: str, colour: str, *, anchor: str = "start", weight: int = 400
) -> str:
    style = f"font-size:12px;fill:{colour};font-weight:{weight}"
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" style="{style}">{html.escape(text)}</text>'
    )
