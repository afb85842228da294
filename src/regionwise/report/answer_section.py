"""Which method should I use for my model? In words, from the rows, with how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from regionwise.benchmark.advice import Advice, Standing
from regionwise.benchmark.grids import number
from regionwise.report.markup import code, listed, of_models, paragraph, section, tag, text
from regionwise.report.number_cells import interval, metric_link, provenance

FEW: Final = 30
"""Pictures below which the reader is warned; a convention."""

_NOTE: Final = (
    "This is said of these pictures and these networks, and of nothing else. Not told apart: a"
    " paired test over pictures, corrected by Holm for all pairs of methods of the metric, has"
    " p ≥ 0.05. That is no proof that two methods are equal: few pictures tell few methods apart."
    " Controls (centre, random, edges) know nothing of the network and are no candidates."
)


def answer_section(advice: Sequence[Advice]) -> str:
    """Return the section; nothing where there is nothing to say."""
    blocks = {one.model: _of_model(one) for one in advice}
    note = paragraph(_NOTE, "soft") if blocks else ""
    return section("answer", "Which method should I use?", of_models(blocks, named=False), note)


def seconds(value: float) -> str:
    """Return a time for reading."""
    if math.isnan(value):
        return "?"
    return f"{1000 * value:.0f} ms" if value < 0.995 else f"{value:.3g} s"


def names(methods: Sequence[str]) -> str:
    """Return methods as in a sentence: a, b and c."""
    shown = [code(method) for method in methods]
    return " and ".join(part for part in [", ".join(shown[:-1]), *shown[-1:]] if part)


def _of_model(advice: Advice) -> str:
    items = [_standing(one, advice) for one in advice.standings]
    return (
        tag("p", _pick(advice), class_="pick")
        + paragraph("What a good map does, and which one does it best:")
        + listed([*items, *_same(advice)])
    )


def _pick(advice: Advice) -> str:
    """Return the sentence that answers the question."""
    pick = advice.pick
    tested = [one for one in advice.standings if one.tested]
    first = sum(one.best.method == pick for one in tested)
    equal = sum(pick in one.good and one.best.method != pick for one in tested)
    said = [f"best by {first}"] if first else []
    said += [f"not told apart from the best by {equal}"] if equal else []
    if said:
        how = f"It is {' and '.join(said)} of the {len(tested)} main metrics that can be tested"
    else:
        how = "No test speaks for it"
    cost = advice.seconds.get(pick, math.nan)
    how += f", and takes {seconds(cost)} an image." if math.isfinite(cost) else "."
    name = tag("strong", f"For {text(advice.model)}, on this data: {code(pick)}.")
    return " ".join([name, how, *_missed(advice), *_controls(advice), *_few(advice)])


def _few(advice: Advice) -> list[str]:
    """Warn of a sample in which a test could hardly show anything."""
    least = min(one.main.images for one in advice.standings)
    return [f"With {least} pictures hardly anything can be told apart."] if least < FEW else []


def _missed(advice: Advice) -> list[str]:
    return [
        f"By {metric_link(one.main.first)} {code(one.best.method)} is better"
        f" (p = {one.worse[advice.pick]:.2g})."
        for one in advice.missed
    ]


def _controls(advice: Advice) -> list[str]:
    """Say by which metrics the pick is not shown to be better than a control."""
    found: dict[str, list[str]] = {}
    for one in advice.standings:
        for control, methods in one.weak.items():
            if advice.pick in methods:
                found.setdefault(control, []).append(metric_link(one.main.first))
    return [
        f"It is not shown to be better than the control {code(control)} by {', '.join(links)}."
        for control, links in found.items()
    ]


def _standing(one: Standing, advice: Advice) -> str:
    main, best = one.main, one.best
    value, low, high = main.fair(best)
    unit = "pairs" if best.target == "pairs" else "pictures"
    told = " ".join(part for part in (number(value), interval(low, high)) if part)
    said = tag("span", text(told), title=provenance(best))
    first = f"{tag('strong', text(main.question.says))} ({metric_link(main.first)}):"
    first += f" best is {code(best.method)}, {said} on {main.images} {unit}."
    parts = [first, _equal(one), _cheapest(one, advice), _weak(one)]
    return " ".join(part for part in parts if part)


def _equal(one: Standing) -> str:
    if not one.tested:
        return "This metric gives no number per picture, so no paired test can be made."
    if not one.equal:
        return "All other methods are shown to be worse."
    if len(one.equal) == len(one.able) - 1:
        return "No other method is shown to be worse."
    return f"Not told apart from it: {names(one.equal)}."


def _cheapest(one: Standing, advice: Advice) -> str:
    best = advice.seconds.get(one.best.method, math.nan)
    found = next((a for a in one.able if a.method == one.cheapest), None)
    if not one.tested or found is None or found is one.best:
        return ""
    value, fastest = one.main.fair(found)[0], seconds(advice.seconds[one.cheapest])
    return (
        f"The fastest of these that no control outdoes: {code(one.cheapest)}, {number(value)} in"
        f" {fastest} an image against {seconds(best)}."
    )


def _weak(one: Standing) -> str:
    control = one.control
    if control is not None and one.outdone(one.best):
        value = number(one.main.fair(control)[0])
        return f"The control {code(control.method)} is as good or better: {value}."
    found = [
        f"{_who(one, methods)} shown to be better than the control {code(control)}."
        for control, methods in one.weak.items()
    ]
    return " ".join(found)


def _who(one: Standing, methods: Sequence[str]) -> str:
    if len(methods) == len(one.able):
        return "No method is"
    if 2 * len(methods) > len(one.able):
        others = [a.method for a in one.able if a.method not in methods]
        return f"Only {names(others)} {'are' if len(others) > 1 else 'is'}"
    return f"{names(methods)} {'are' if len(methods) > 1 else 'is'} not"


def _same(advice: Advice) -> list[str]:
    return [
        f"All numbers of {names(group)} agree to four digits: they are one method here."
        for group in advice.same
    ]
