"""The lower half of an audit's page: checks, agreement, curves, drawn weights, provenance."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from regionwise.metrics.catalog import metrics
from regionwise.report.audit_comparing import AGREE
from regionwise.report.audit_result import Audit, Chance, Checked, Curve
from regionwise.report.audit_verdict import ALIKE, CLOSE, LEVEL, STEADY, Grade, Verdict, verdicts_of
from regionwise.report.line_chart import line_chart

MARKS: Final[dict[Grade, str]] = {"holds": "✓", "partly": "~", "fails": "✗", "unknown": "·"}

_HEADS: Final = {
    "adding up": "adding up",
    "deletion": "deletion",
    "insertion": "insertion",
    "weights drawn anew": "weights drawn anew",
    "noise": "small noise",
}


def checks_section(audit: Audit) -> str:
    """Return one row for each map, one column for each check."""
    heads = "".join(f"<th>{name}</th>" for name in ("map", *_HEADS.values(), "patches that matter"))
    rows = "".join(_row(audit, one) for one in audit.checked)
    return (
        "<h2>Checks, map by map</h2>"
        f'<div class="wide"><table class="grid cards"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f"<dl>{_conventions(audit)}</dl>"
    )


def _row(audit: Audit, one: Checked) -> str:
    kind = " <small>control</small>" if one.control else ""
    name = f"<th>{html.escape(one.method)}{kind}</th>"
    if one.blank:
        text = html.escape(f"says nothing: {', '.join(one.blank)}")
        return f'<tr>{name}<td colspan="6" data-name="map"><span>{text}</span></td></tr>'
    cells = "".join(_cell(verdict) for verdict in verdicts_of(audit, one))
    share = f"{one.patches:.0%}" if math.isfinite(one.patches) else "not run"
    share += "<small>have a say</small>"
    return f'<tr>{name}{cells}<td data-name="patches"><span>{share}</span></td></tr>'


def _cell(verdict: Verdict) -> str:
    words = f"{verdict.grade}: " if verdict.number else ""
    number = f" <b>{html.escape(verdict.number)}</b>" if verdict.number else ""
    return (
        f'<td class="{verdict.grade}" data-name="{_HEADS[verdict.check]}"><span>'
        f'<span class="mark" aria-hidden="true">{MARKS[verdict.grade]}</span>{number}'
        f"<small>{words}{html.escape(verdict.note)}</small></span></td>"
    )


def _conventions(audit: Audit) -> str:
    orders = len(next(iter(audit.chance.values())).deletion)
    told = {
        "adding up": "gap to what the map should sum to, relative to it; of methods that claim a"
        f" sum; holds within the metric's tolerance, fails beyond {CLOSE:.0%}",
        "deletion, insertion": "area under the curve; holds if a random order does as well with a"
        f" probability of {LEVEL[0]:.0%} at most, as {orders} of them tell; partly if better than"
        " most",
        "weights drawn anew": "rank correlation with the map of the network whose weights are all"
        f" random; holds below {ALIKE[0]}, fails from {ALIKE[1]} on",
        "small noise": f"mean rank correlation with the maps of noisy copies; holds from"
        f" {STEADY[0]} on, fails below {STEADY[1]}",
        "agreement": f"holds from {AGREE[0]} on, fails below {AGREE[1]}",
        "patches that matter": "of the patches that move the logit when they are blanked, the share"
        " that the map does not call irrelevant all over",
        "control": "does not know the network: what it passes shows what a check is worth here;"
        " drawn weights must leave it as it is",
        "passes": "F is a forward pass of the network, B a backward pass, K the number of channels",
    }
    return "".join(f"<dt>{name}</dt><dd>{html.escape(text)}</dd>" for name, text in told.items())


def agreement_section(audit: Audit) -> str:
    """Return the rank correlation of every two maps; nothing where there is one map only."""
    if len(audit.checked) < 2:
        return ""
    heads = "".join(f"<th>{number}</th>" for number in range(1, len(audit.checked) + 1))
    rows = []
    for number, (one, values) in enumerate(zip(audit.checked, audit.agreement, strict=True), 1):
        cells = "".join(_correlation(value) for value in values)
        rows.append(f"<tr><th>{number}&nbsp;{html.escape(one.method)}</th>{cells}</tr>")
    return (
        "<h2>Agreement</h2><p>Spearman's rank correlation of every two maps, over the pixels. Maps"
        " of one layer share its errors: that they agree does not show that they are right.</p>"
        f'<div class="wide"><table class="grid matrix"><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _correlation(value: float) -> str:
    if not math.isfinite(value):
        return "<td>n/a</td>"
    share = round(35 * max(value, 0))
    style = f"background:color-mix(in srgb,#4477aa {share}%,#fff)"
    return f'<td style="{style}">{value:z.2f}</td>'


def curves_section(audit: Audit) -> str:
    """Return deletion and insertion of all maps over the band of random orders."""
    shown = [one for one in audit.checked if one.curves is not None]
    if not shown:
        return ""
    charts = []
    for name, word in (("deletion", "removed"), ("insertion", "brought in")):
        lines = {one.method: getattr(one.curves, name) for one in shown}
        first = next(iter(lines.values()))
        bands = {_band_name(c): _band(getattr(c, name)) for c in audit.chance.values()}
        chart = line_chart(
            first.levels,
            {method: curve.scores for method, curve in lines.items()},
            across=f"share of the pixels {word}",
            up="probability",
            bands=bands,
        )
        charts.append(f"<div><strong>{name.capitalize()}</strong>{chart}</div>")
    return (
        "<h2>Deletion and insertion</h2><p>Pixels go, or come, in the order of each map, the most"
        " salient first. Removed ones take the mean colour; before they come, the picture is"
        " blurred. The grey band holds all random orders.</p>"
        f'<div class="charts">{"".join(charts)}</div>'
    )


def _band_name(chance: Chance) -> str:
    return f"{len(chance.deletion)} random orders of {chance.grain}"


def _band(curves: Sequence[Curve]) -> tuple[list[float], list[float]]:
    columns = list(zip(*(curve.scores for curve in curves), strict=True))
    return [min(column) for column in columns], [max(column) for column in columns]


def weights_section(audit: Audit) -> str:
    """Return how alike the maps stay while the weights are drawn anew."""
    found = {one.method: one.redrawn for one in audit.checked if one.redrawn is not None}
    full = [redrawn for redrawn in found.values() if len(redrawn.shares) > 1]
    if not full:
        return ""
    stages, draws = len(full[0].shares), len(full[0].similarity)
    lines = {}
    for one in audit.checked:  # one that has no line keeps its colour: it is the same everywhere
        whole = one.redrawn is not None and len(one.redrawn.shares) == stages
        means = one.redrawn.means if one.redrawn is not None and whole else (math.nan,) * stages
        lines[one.method if whole else f"{one.method} (no curve)"] = (1.0, *means)
    levels = (0.0, *full[0].shares)
    chart = line_chart(levels, lines, across="share of layers drawn anew", up="similarity")
    return (
        "<h2>Weights drawn anew</h2><p>A map of what the network learnt changes when its weights"
        " are drawn anew, from the output down to the input; the class stays. Rank correlation"
        f" with the map above, mean of {draws} draw{'s' * (draws != 1)}.</p>"
        f'<div class="charts"><div>{chart}</div></div>'
    )


def provenance_section(audit: Audit) -> str:
    """Return where everything comes from, and the protocol of each number."""
    items = "".join(
        f"<dt>{html.escape(name)}</dt><dd>{_value(value)}</dd>"
        for name, value in _flat(audit.provenance)
    )
    protocols = "".join(_protocol(name) for name in audit.metrics)
    return f"<h2>Where this comes from</h2><dl>{items}</dl><h2>Protocols</h2><dl>{protocols}</dl>"


def _flat(provenance: Mapping[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Return what stands in the record, one level of names below another in one name."""
    found: list[tuple[str, Any]] = []
    for name, value in provenance.items():
        full = f"{above} {name}".strip().replace("_", " ")
        nested = isinstance(value, dict) and name not in {"settings", "versions", "effort"}
        found += _flat(value, full) if nested else [(full, value)]
    return found


def _value(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "<br>".join(_method(item) for item in value)
    if isinstance(value, dict):
        return html.escape(", ".join(f"{k} {v}" for k, v in value.items()))
    if isinstance(value, list):
        return html.escape(", ".join(map(str, value)))
    return html.escape("none" if value is None else str(value))


def _method(record: Mapping[str, Any]) -> str:
    settings = ", ".join(f"{k}={v}" for k, v in record["settings"].items())
    text = f"{record['title']}, {record['reference']}" + (f"; {settings}" if settings else "")
    return f"<code>{html.escape(record['id'])}</code> {html.escape(text)}"


def _protocol(name: str) -> str:
    card = metrics.card(name.partition(":")[0])
    text = f"{card.formula}. {card.reference}. {card.choice}".strip()
    return f"<dt><code>{html.escape(name)}</code></dt><dd>{html.escape(text)}</dd>"
