"""What an audit says of several maps together: against chance, and against one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from regionwise.report.audit_result import Audit, Checked
from regionwise.report.audit_verdict import Grade, span, verdicts_of

AGREE: Final = (0.7, 0.4)
"""Maps agree above the first rank correlation, and do not below the second. A convention."""


@dataclass(frozen=True)
class Statement:
    """One thing to know: how it stands, what it is about, and a sentence with its numbers."""

    grade: Grade
    title: str
    text: str


def listed(names: Sequence[str]) -> str:
    """Return names as in a sentence: a, b and c."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def removal_statement(audit: Audit) -> Statement | None:
    """Say how deletion and insertion go, against random orders and the controls."""
    own = [one for one in audit.own if one.curves is not None]
    if not own:
        return None
    parts, flat = [], []
    for check, verb in (("deletion", "lowers"), ("insertion", "raises")):
        passed = [_passes(audit, one, check) for one in own]
        flat += passed
        parts.append(
            f"{check.capitalize()} {verb} the probability faster than chance for {sum(passed)} of"
            f" {len(own)} maps (area {_areas(own, check)}; {_random(audit, own, check)})."
        )
    grade: Grade = "holds" if all(flat) else "partly" if any(flat) else "fails"
    return Statement(grade, "The order of the pixels", " ".join([*parts, *_controls(audit)]))


def agreement_statement(audit: Audit) -> Statement:
    """Say how far the maps agree; those that coincide are no second opinion."""
    names = [one.method for one in audit.checked]
    own = [names.index(one.method) for one in audit.own]
    pairs = {(a, b): audit.agreement[a][b] for k, a in enumerate(own) for b in own[k + 1 :]}
    same = [f"{a} and {b}" for a, b in audit.same]
    more = [f"The same map here, and no second opinion: {'; '.join(same)}."] if same else []
    apart = {(a, b): rho for (a, b), rho in pairs.items() if (names[a], names[b]) not in audit.same}
    if not apart:
        text = " ".join(["There are no two different maps to compare.", *more])
        return Statement("unknown", "Agreement", text)
    order = sorted(apart, key=lambda pair: apart[pair])
    ends = dict.fromkeys((order[0], order[-1]))
    told = " to ".join(f"{apart[a, b]:z.2f} ({names[a]}, {names[b]})" for a, b in ends)
    least = apart[order[0]]
    grade: Grade = "holds" if least >= AGREE[0] else "partly" if least >= AGREE[1] else "fails"
    controls = [k for k, one in enumerate(audit.checked) if one.control and not one.blank]
    if controls:
        with_them = span(audit.agreement[a][c] for a in own for c in controls)
        who = listed([names[c] for c in controls])
        more.insert(0, f"With {who}, which does not know the network: {with_them}.")
    text = f"Rank correlation of the methods' maps: {told}."
    return Statement(grade, "Agreement", " ".join([text, *more]))


def _passes(audit: Audit, one: Checked, check: str) -> bool:
    return any(v.check == check and v.grade == "holds" for v in verdicts_of(audit, one))


def _areas(own: Sequence[Checked], check: str) -> str:
    return span((getattr(one.curves, check).area for one in own), ".3g")


def _random(audit: Audit, own: Sequence[Checked], check: str) -> str:
    parts = []
    for grain in dict.fromkeys(one.grain for one in own):
        areas = [curve.area for curve in getattr(audit.chance[grain], check)]
        parts.append(f"{len(areas)} random orders of {grain} {span(areas, '.3g')}")
    return ", ".join(parts)


def _controls(audit: Audit) -> list[str]:
    """Say what maps reach that do not know the network: to pass what they pass says little."""
    texts = []
    for one in audit.checked:
        if not one.control or one.curves is None:
            continue
        passed = [c for c in ("deletion", "insertion") if _passes(audit, one, c)]
        text = f"The control {one.method}, which does not know the network, has the"
        text += f" areas {one.curves.deletion.area:.3g} and {one.curves.insertion.area:.3g}"
        text += f": it passes {listed(passed)}, so that to pass says little here" if passed else ""
        texts.append(f"{text}.")
    return texts
