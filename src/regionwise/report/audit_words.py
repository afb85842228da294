"""The answer of an audit in plain words, each statement with its number."""

from __future__ import annotations

import math
from typing import Final

from regionwise.heads.regions import regions_of
from regionwise.pictures.cell import percent
from regionwise.report.audit_comparing import (
    Statement,
    agreement_statement,
    listed,
    removal_statement,
)
from regionwise.report.audit_result import Audit, Checked, mean_of
from regionwise.report.audit_verdict import Grade, Verdict, gap_text, span, verdicts_of

LIMITS: Final = (
    "These checks can show that a map is wrong; passing them does not prove it right. They are of"
    " one picture and one prediction, and where they draw a line is a convention, told below. A"
    " region sees more of the picture than it covers, and a picture with pixels removed is one"
    " that the network was not trained for."
)


def headline_of(audit: Audit) -> str:
    """Return the answer in one or two sentences."""
    if not audit.own:
        return "There is no map here that knows the network and says anything."
    faults: dict[str, list[str]] = {}
    for one in audit.own:
        faults.setdefault(_faults(audit, one), []).append(one.method)
    good = faults.pop("", [])
    parts = [f"{listed(good)} passed every check that was run"] if good else []
    parts += [f"{listed(names)} {fault}" for fault, names in faults.items()]
    first = "The prediction itself says little. " if _prediction(audit).grade == "fails" else ""
    if audit.total is not None and audit.total.complete:
        first += "The region percentages are exact. "
    return f"{first}{'; '.join(parts)}."


def statements_of(audit: Audit) -> tuple[Statement, ...]:
    """Return the answer, statement by statement."""
    found = (
        _prediction(audit),
        _exactness(audit),
        removal_statement(audit),
        _weights(audit),
        _noise(audit),
        agreement_statement(audit),
        _contrast(audit),
    )
    return tuple(one for one in found if one is not None)


def _faults(audit: Audit, one: Checked) -> str:
    """Return in which checks a map fell short, and which it failed; empty if in none."""
    verdicts = verdicts_of(audit, one)
    parts = []
    for grade, words in (("partly", "fell short in"), ("fails", "failed in")):
        checks = [verdict.check for verdict in verdicts if verdict.grade == grade]
        parts += [f"{words} {listed(checks)}"] if checks else []
    return listed(parts)


def _prediction(audit: Audit) -> Statement:
    target, chance = audit.target, 1 / audit.classes
    others = [one for one in audit.top if one.index != target.index]
    text = f"The network gives {target.name} {percent(target.probability)}"
    text += f", and {others[0].name} {percent(others[0].probability)}" if others else ""
    text += f", of {audit.classes} classes."
    if audit.provenance["model"]["weights"] == "random":
        text += " Its weights are random: it has learnt nothing."
        return Statement("fails", "The prediction", text)
    if audit.exclusive and target.probability < 2 * chance:
        text += f" Chance is {percent(chance)}: there is hardly anything to explain."
        return Statement("fails", "The prediction", text)
    grade: Grade = "holds" if target.probability >= 0.5 else "partly"
    return Statement(grade, "The prediction", text)


def _exactness(audit: Audit) -> Statement:
    total, exact = audit.total, audit.exact
    if total is None or exact is None:
        text = (
            "No exact percentages: this head does not give them. The maps rank regions; they do not"
            " say how much of the probability lies where."
        )
        return Statement("unknown", "Percentages", text + "".join(map(_claim, audit.own)))
    regions = regions_of(exact.maps[0, 0].detach(), share=None, least=0.05)
    known = audit.target.probability
    text = (
        f"Exact: the head divides the probability of {audit.target.name} among"
        f" {regions.total} regions. Their values add up to {total.value:.7f}, the network says"
        f" {known:.7f}, and the difference is {total.value - known:.1e}. {regions}."
    )
    return Statement("holds" if total.complete else "fails", "Percentages", text)


def _claim(one: Checked) -> str:
    if one.total is None:
        return ""
    gap = gap_text(one.total.gap)
    whole = "a change of the logit" if "logit" in one.total.protocol else "a probability"
    return f" The values of {one.method} should add up to {whole} and are {gap} off."


def _weights(audit: Audit) -> Statement | None:
    known = {
        one.method: mean_of(one.redrawn.last)
        for one in audit.own
        if one.redrawn is not None and one.redrawn.last
    }
    if not known:
        return None
    grade = _worst(audit, "weights drawn anew")
    says = {
        "holds": "so the maps depend on what was learnt",
        "partly": "so not every map clearly depends on what was learnt",
        "fails": "so a map hardly depends on what was learnt",
    }
    told = ", ".join(f"{value:z.2f} ({name})" for name, value in known.items())
    text = f"With all weights drawn anew, the rank correlation with the map is {told}"
    return Statement(grade, "What was learnt", f"{text}, {says[grade]}.")


def _noise(audit: Audit) -> Statement | None:
    values = [value for one in audit.own for value in one.noisy or () if math.isfinite(value)]
    if not values:
        return None
    text = (
        f"Noise of {audit.noise.share:.0%} of the range of the input leaves the maps a rank"
        f" correlation of {span(values)}; the probability is then"
        f" {span((100 * p for p in audit.noise.probabilities), '.1f')}%."
    )
    return Statement(_worst(audit, "noise"), "Small noise", text)


def _worst(audit: Audit, check: str) -> Grade:
    """Return the worst verdict of a check over the methods that are no controls."""
    found: list[Verdict] = [v for one in audit.own for v in verdicts_of(audit, one)]
    grades = {verdict.grade for verdict in found if verdict.check == check}
    order: tuple[Grade, ...] = ("fails", "partly", "holds")
    return next((grade for grade in order if grade in grades), "unknown")


def _contrast(audit: Audit) -> Statement | None:
    contrast = audit.contrast
    if contrast is None:
        return None
    mine, other = contrast.target_curve, contrast.other_curve
    target, name = audit.target.name, contrast.other.name
    places = dict.fromkeys(
        min(range(1, len(mine.levels)), key=lambda k: abs(mine.levels[k] - share))
        for share in (0.1, 0.2)
    )
    told = "; ".join(
        f"without {mine.levels[k]:.0%} of the pixels it has {percent(mine.scores[k])}, and {name}"
        f" {percent(other.scores[k])}"
        for k in places
    )
    text = f"Pixels go that speak most for {target} against {name}: {told}."
    ahead = [k for k, (a, b) in enumerate(zip(mine.scores, other.scores, strict=True)) if b > a]
    if ahead:
        text += f" {name} is ahead from {mine.levels[ahead[0]]:.0%} on."
    return Statement("unknown", "Against another class", text)
