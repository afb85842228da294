"""A benchmark as one page: leaderboard, curves, gallery, and where each number comes from.

The page holds all it needs: no script, style or picture is loaded from elsewhere.
"""

from __future__ import annotations

import base64
import html
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from regionwise.benchmark.curves import Curves
from regionwise.benchmark.grids import ARROWS, Grid, grids, number
from regionwise.benchmark.summary import Summary
from regionwise.metrics.catalog import metrics
from regionwise.report.line_chart import line_chart

THUMB: Final = 112

_STYLE: Final = """
:root{color-scheme:light}body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:70rem;
padding:1rem;color:#222;background:#fff}h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.87rem}
th,td{padding:.25rem .7rem;text-align:right;white-space:nowrap;border-bottom:1px solid #ddd}
th:first-child,td:first-child{text-align:left;position:sticky;left:0;background:#fff}
td.best{font-weight:700}td small{display:block;color:#666;font-weight:400}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(18rem,1fr));gap:1.2rem}
svg{width:100%;height:auto}svg text{font-size:11px;fill:#444}.key{width:20px;height:8px}
.legend span{display:inline-flex;align-items:center;gap:.3rem;margin-right:.8rem;font-size:.8rem}
figure{margin:0 0 1.4rem}figure .row{display:flex;gap:.5rem;overflow-x:auto}
figure .row div{font-size:.75rem;text-align:center}figure img{width:112px;height:112px;
object-fit:contain;display:block}dt{font-weight:600;margin-top:.6rem}dd{margin:0;color:#444}
code{font-size:.85em}@media print{figure,table{break-inside:avoid}select,label{display:none}}
"""

_SCRIPT: Final = """
const data=JSON.parse(document.getElementById('numbers').textContent);
const choose=document.getElementById('by'),home=document.getElementById('gallery');
function show(){const table=data[choose.value]||{};const cards=[...home.children];
for(const card of cards){let sum=0,n=0;for(const cell of card.querySelectorAll('[data-method]')){
const row=table[cell.dataset.method];const value=row?row[+card.dataset.image]:null;
cell.querySelector('span').textContent=value===null||value===undefined?'':value.toPrecision(3);
if(typeof value==='number'){sum+=value;n++}}card.mean=n?sum/n:-Infinity}
cards.sort((a,b)=>b.mean-a.mean).forEach(card=>home.append(card))}
if(choose){choose.addEventListener('change',show);show()}
"""


@dataclass(frozen=True, eq=False)
class Shown:
    """One picture of the gallery: its name, the picture, and an overlay of each method."""

    name: str
    caption: str
    picture: UInt8[np.ndarray, "h w 3"]
    overlays: Mapping[str, UInt8[np.ndarray, "h w 3"]] = field(default_factory=dict)


def benchmark_page(
    summary: Summary,
    curves: Sequence[Curves],
    gallery: Sequence[Shown],
    numbers: Mapping[str, Mapping[str, Sequence[float]]],
) -> str:
    """Return the page.

    Args:
        summary: what the rows say.
        curves: mean curves.
        gallery: pictures with overlays.
        numbers: by metric and method, the numbers of the gallery's pictures, in their order.
    """
    title = html.escape(summary.plan["recipe"]["title"])
    parts = [
        f"<h1>{title}</h1>",
        _about(summary),
        *(_table(grid) for grid in grids(summary)),
        _rankings(summary),
        _weak(summary),
        _charts(curves),
        _cost(summary),
        _gallery(gallery, numbers),
        _protocols(summary),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>"
        + "\n".join(part for part in parts if part)
        + f"<script>{_SCRIPT}</script></body></html>\n"
    )


def _about(summary: Summary) -> str:
    recipe, data = summary.plan["recipe"], summary.plan["data"]
    done, planned = summary.done
    text = (
        f"{recipe['summary']} Data: {data['source']} ({data['split']}, {data['pictures']} pictures)"
        f", seed {recipe['seed']}. {done} of {planned} chunks are done. In brackets: 95 % bootstrap"
        " intervals over images. Bold: the best of a column."
    )
    return f"<p>{html.escape(text.strip())}</p>"


def _table(grid: Grid) -> str:
    heads = [f"{name} {ARROWS[way]}".strip() for name, way in grid.heads]
    rows = []
    for method, cells in grid.rows:
        columns = []
        for cell in cells:
            value, _, rest = cell.text.partition(" ")
            small = f"<small>{html.escape(rest)}</small>" if rest else ""
            small += f"<small>published {cell.published}</small>" if cell.published else ""
            style = ' class="best"' if cell.best else ""
            columns.append(f"<td{style}>{html.escape(value)}{small}</td>")
        rows.append(f"<tr><td>{html.escape(method)}</td>{''.join(columns)}</tr>")
    return f"<h2>{html.escape(grid.title)}</h2>{_framed(['method', *heads], rows)}"


def _framed(heads: Sequence[str], rows: Sequence[str]) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in heads)
    body = "".join(rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _row(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _rankings(summary: Summary) -> str:
    parts = []
    for ranking in summary.rankings:
        order = sorted(ranking.points, key=lambda name: -ranking.points[name])
        rows = [_row([m, str(ranking.points[m]), str(ranking.points3[m])]) for m in order]
        title = f"Borda count of {ranking.model}, judged by {ranking.judge}"
        parts.append(
            f"<h2>{html.escape(title)}</h2><p>Over {ranking.metrics} metrics, on the images that"
            " all methods have. A first rank gives as many points as there are methods, or"
            " three.</p>" + _framed(["method", "points", "points of three"], rows)
        )
    return "".join(parts)


def _weak(summary: Summary) -> str:
    same = [
        f"{model}: {', '.join(g)}" for model, groups in summary.coincide.items() for g in groups
    ]
    text = ""
    if same:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in same)
        text += f"<h2>Methods that coincide</h2><ul>{items}</ul>"
    rows = [
        _row([answer.table.metric, control, ", ".join(methods)])
        for answer, control, methods in summary.no_better
    ]
    if rows:
        text += "<h2>Not shown to be better than a control</h2>"
        text += "<p>One-sided paired test, corrected by Holm; few images show little.</p>"
        text += _framed(["metric", "control", "methods"], rows)
    return text


def _charts(curves: Sequence[Curves]) -> str:
    if not curves:
        return ""
    charts = []
    for one in curves:
        judge = "" if one.table.judge in {"", "own"} else f", judged by {one.table.judge}"
        title = html.escape(f"{one.table.metric}: {one.name} ({one.table.model}{judge})")
        chart = line_chart(one.levels, one.means, across="level", up=one.name)
        charts.append(f"<div><strong>{title}</strong>{chart}</div>")
    return f'<h2>Curves, means over images</h2><div class="charts">{"".join(charts)}</div>'


def _cost(summary: Summary) -> str:
    rows = [
        _row([model, method, *(number(c.get(n, math.nan)) for n in ("seconds", "forward"))])
        for (model, method), c in sorted(summary.cost.items())
    ]
    if not rows:
        return ""
    note = "Each method alone, one picture at a time, warm; work in units of a forward pass."
    return f"<h2>Cost</h2><p>{note}</p>" + _framed(["model", "method", "seconds", "work"], rows)


def _gallery(gallery: Sequence[Shown], numbers: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    if not gallery:
        return ""
    options = "".join(f"<option>{html.escape(name)}</option>" for name in numbers)
    cards = "".join(_card(index, one) for index, one in enumerate(gallery))
    values = {
        metric: {m: [_json(v) for v in row] for m, row in rows.items()}
        for metric, rows in numbers.items()
    }
    embedded = json.dumps(values).replace("<", "\\u003c")
    return (
        f'<h2>Gallery</h2><label>Sort by <select id="by">{options}</select></label>'
        f'<div id="gallery">{cards}</div>'
        f'<script type="application/json" id="numbers">{embedded}</script>'
    )


def _card(index: int, one: Shown) -> str:
    cells = [f'<div><img src="{_source(one.picture)}" alt="">picture</div>']
    cells += [
        f'<div data-method="{html.escape(method)}"><img src="{_source(overlay)}"'
        f' alt="{html.escape(method)}">{html.escape(method)}<br><span></span></div>'
        for method, overlay in one.overlays.items()
    ]
    caption = html.escape(f"{one.name}: {one.caption}")
    return (
        f'<figure data-image="{index}"><figcaption>{caption}</figcaption>'
        f'<div class="row">{"".join(cells)}</div></figure>'
    )


def _source(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """Return a small picture as an address that holds it."""
    image = Image.fromarray(picture)
    image.thumbnail((2 * THUMB, 2 * THUMB))
    buffer = BytesIO()
    image.save(buffer, format="WEBP", quality=80)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def _json(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _protocols(summary: Summary) -> str:
    names = dict.fromkeys(a.table.metric for a in summary.answers)
    items = []
    for name in names:
        card = metrics.card(name.partition(":")[0])
        text = f"{card.summary} {card.formula}. {card.reference}. {card.choice}"
        ids = sorted({a.table.protocol for a in summary.answers if a.table.metric == name})
        items.append(
            f"<dt>{html.escape(name)} <code>{' '.join(ids)}</code></dt><dd>{html.escape(text)}</dd>"
        )
    models = "".join(
        f"<dt>{html.escape(used['source'])}</dt><dd>weights <code>{used['hash']}</code></dd>"
        for used in summary.plan["models"]
    )
    return f"<h2>Protocols</h2><dl>{''.join(items)}</dl><h2>Models</h2><dl>{models}</dl>"
