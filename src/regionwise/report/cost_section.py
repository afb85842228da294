"""Quality against cost: what does a second buy?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

from regionwise.benchmark.advice import Advice
from regionwise.benchmark.comparing import SURE
from regionwise.benchmark.grids import number
from regionwise.benchmark.summary import Summary
from regionwise.benchmark.tradeoff import Point, Step, Tradeoff, tradeoff_of
from regionwise.report.answer_section import seconds
from regionwise.report.markup import (
    code,
    folded,
    listed,
    of_models,
    paragraph,
    section,
    table,
    tag,
    text,
)
from regionwise.report.number_cells import metric_link
from regionwise.report.scatter_chart import Dot, scatter_chart

_NOTE: Final = (
    "Better is further up, cheaper further left. Red, joined by steps: the methods that no cheaper"
    " one equals; grey squares: controls. Lines: 95 % intervals. Seconds: each method alone, one"
    " picture at a time, warm, median of up to {} pictures, on the machine that ran the benchmark."
)
_WORK: Final = (
    "Work is the operations of convolutions and matrix products, in units of one forward pass;"
    " those of gradients apart."
)


def cost_section(summary: Summary, advice: Sequence[Advice]) -> str:
    """Return the section; nothing where no cost was measured."""
    blocks = {one.model: _of_model(one, summary) for one in advice if one.seconds}
    return section("cost", "Quality against cost", of_models(blocks))


def _of_model(advice: Advice, summary: Summary) -> str:
    found = [tradeoff_of(one.main, advice.seconds, summary.tests) for one in advice.standings]
    known = [one for one in found if one is not None]
    charts = tag("div", "".join(_chart(one) for one in known), class_="charts") if known else ""
    note = paragraph(_NOTE.format(summary.plan["recipe"]["cost"]), "soft") if known else ""
    words = tag("h4", "What does a second buy?") + listed([_words(one) for one in known])
    return charts + note + (words if known else "") + _costs(summary, advice.model)


def _chart(one: Tradeoff) -> str:
    main = one.main
    dots = [_dot(point) for point in one.points]
    svg, missing = scatter_chart(
        dots, up=main.first.direction == "higher", label=f"{main.first.table.metric} over seconds"
    )
    few = "" if main.alike else f", on the {main.images} pictures that all methods have"
    head = tag("strong", metric_link(main.first)) + text(few)
    by_name = {point.method: point for point in one.points}
    rest = ", ".join(
        f"{code(name)} ({seconds(by_name[name].seconds)}, {number(by_name[name].value)})"
        for name in missing
    )
    small = tag("p", f"Without a label: {rest}.", class_="soft") if rest else ""
    return tag("figure", tag("figcaption", head) + svg + small, class_="chart")


def _dot(point: Point) -> Dot:
    title = f"{point.method}: {number(point.value)}, {seconds(point.seconds)} an image"
    return Dot(
        point.method,
        point.seconds,
        point.value,
        point.low,
        point.high,
        point.front,
        point.control,
        title,
    )


def _words(one: Tradeoff) -> str:
    first = one.front[0]
    said = f"{metric_link(one.main.first)}: {code(first.method)} reaches {number(first.value)} in"
    said += f" {seconds(first.seconds)}."
    steps = [_step(step) for step in one.steps] or ["Nothing that costs more is better."]
    return " ".join([said, *steps, *_control(one)])


def _control(one: Tradeoff) -> list[str]:
    """Say what the best control reaches, if that is more than the cheapest method does."""
    sign = -1.0 if one.main.first.direction == "lower" else 1.0
    controls = [point for point in one.points if point.control]
    best = max(controls, key=lambda point: sign * point.value, default=None)
    if best is None or sign * best.value < sign * one.front[0].value:
        return []
    return [f"The control {code(best.method)} reaches {number(best.value)}."]


def _step(step: Step) -> str:
    more = step.dearer.seconds - step.cheaper.seconds
    times = step.dearer.seconds / step.cheaper.seconds
    sure = (
        "no test can be made"
        if math.isnan(step.p)
        else f"p = {step.p:.2g}"
        if step.p < SURE
        else f"p = {step.p:.2g}, so this may be chance"
    )
    return (
        f"Another {seconds(more)} ({times:.3g} times as long) buys {code(step.dearer.method)}:"
        f" {number(step.dearer.value)}, better by {number(step.gain)} ({sure})."
    )


def _costs(summary: Summary, model: str) -> str:
    names = ("seconds", "forward", "backward")
    rows = [
        [tag("th", code(method), scope="row"), *(_number(cost, name) for name in names)]
        for (source, method), cost in sorted(summary.cost.items())
        if source == model
    ]
    inner = table(["method", "seconds an image", "work", "of gradients"], rows)
    return folded("Cost of every method", paragraph(_WORK, "soft") + inner) if rows else ""


def _number(cost: Mapping[str, float], name: str) -> str:
    return number(cost.get(name, math.nan))
