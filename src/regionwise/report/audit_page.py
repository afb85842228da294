"""One prediction on one page: how far its maps can be trusted, and why.

The page holds all it needs: no script, style or picture is loaded from elsewhere.
"""

from __future__ import annotations

import html

from regionwise.heads.regions import regions_of
from regionwise.pictures.cell import percent
from regionwise.report.audit_comparing import Statement
from regionwise.report.audit_pictures import (
    difference_address,
    difference_of,
    map_address,
    picture_address,
    ramp_address,
    share_addresses,
)
from regionwise.report.audit_result import Audit, Contrast, Ranked
from regionwise.report.audit_sections import (
    MARKS,
    agreement_section,
    checks_section,
    curves_section,
    provenance_section,
    weights_section,
)
from regionwise.report.audit_style import STYLE
from regionwise.report.audit_words import LIMITS, headline_of, statements_of
from regionwise.report.line_chart import line_chart
from regionwise.report.regions import band_lines


def audit_page(audit: Audit) -> str:
    """Return the page."""
    title = html.escape(f"{audit.target.name}: audit of one prediction")
    parts = [
        f"<h1>{title}</h1>",
        f'<p class="soft">{html.escape(_about(audit))}</p>',
        _answer(audit),
        _first(audit),
        _regions(audit),
        _maps(audit),
        checks_section(audit),
        agreement_section(audit),
        curves_section(audit),
        weights_section(audit),
        _against(audit),
        provenance_section(audit),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>"
        + "\n".join(part for part in parts if part)
        + "</body></html>\n"
    )


def _about(audit: Audit) -> str:
    provenance = audit.provenance
    return f"{audit.source} · {provenance['model']['source']} · {provenance['date']}"


def _answer(audit: Audit) -> str:
    items = "".join(_statement(one) for one in statements_of(audit))
    return (
        '<section class="answer"><h2>How far can these maps be trusted?</h2>'
        f"<p>{html.escape(headline_of(audit))}</p><ul>{items}</ul>"
        f'<p class="soft">{html.escape(LIMITS)}</p></section>'
    )


def _statement(one: Statement) -> str:
    mark = f'<span class="mark" title="{one.grade}">{MARKS[one.grade]}</span>'
    text = f"<strong>{html.escape(one.title)}.</strong> {html.escape(one.text)}"
    return f'<li class="{one.grade}">{mark}<span>{text}</span></li>'


def _first(audit: Audit) -> str:
    rows = "".join(_bar(one, audit.target) for one in audit.top)
    if audit.target.index not in {one.index for one in audit.top}:
        rows += _bar(audit.target, audit.target)
    picture = picture_address(audit.image)
    return (
        "<h2>The picture, and what the network says</h2>"
        f'<div class="first"><figure><img src="{picture}" alt="the picture">'
        "<figcaption>as the network sees it</figcaption></figure>"
        f'<div><table class="bars">{rows}</table></div></div>'
    )


def _bar(one: Ranked, target: Ranked) -> str:
    name = html.escape(one.name)
    name = f"<strong>{name}</strong>" if one.index == target.index else name
    width = f"{100 * one.probability:.2f}%"
    return (
        f'<tr><td>{name}</td><td><span class="bar" style="width:{width}"></span></td>'
        f"<td>{percent(one.probability)}</td></tr>"
    )


def _regions(audit: Audit) -> str:
    """Return what each region gives to either class, exactly, or that nobody knows."""
    exact = audit.exact
    if exact is None:
        return (
            "<h2>Percentages of regions</h2><p>No exact percentages: this head does not give them."
            " A network with a CAPE or CALM head does (<code>birds-cape</code>,"
            " <code>regionwise train --head cape</code>).</p>"
        )
    pictures = share_addresses(exact, audit.image)
    named = [audit.target] if audit.contrast is None else [audit.target, audit.contrast.other]
    figures = []
    for one, picture, maps in zip(named, pictures, exact.maps[0], strict=False):
        regions = regions_of(maps.detach(), share=None, least=0.05)
        caption = f"<strong>{html.escape(one.name)} {percent(regions.probability)}</strong>"
        figures.append(_figure(picture, f"{caption}<br>{html.escape(str(regions))}", one.name))
    bands = ""
    if len(figures) > 1:
        difference = difference_of(exact)
        caption = (
            f"<strong>the difference {difference.total:+.1%}</strong><br>red:"
            f" {html.escape(named[0].name)}, blue: {html.escape(named[1].name)}"
        )
        figures.append(_figure(difference_address(exact, audit.image), caption, "the difference"))
        bands = "".join(
            f'<li><span class="square" style="background:rgb{ink}"></span>{html.escape(text)}</li>'
            for ink, text in band_lines(difference)
        )
        bands = f'<ul class="bands">{bands}</ul>'
    return (
        "<h2>Percentages of regions</h2><p>Per cent of probability, exact, in regions above 5 % of"
        " the strongest; the classes share one scale. The bands below add up to the"
        f' difference.</p><div class="large">{"".join(figures)}</div>{bands}'
    )


def _figure(address: str, caption: str, words: str) -> str:
    return (
        f'<figure><img src="{address}" alt="{html.escape(words)}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _maps(audit: Audit) -> str:
    figures = []
    for one in audit.checked:
        kind = "<br>control: does not know the network" if one.control else ""
        caption = f"<strong>{html.escape(one.method)}</strong>{kind}"
        address = map_address(audit.maps[one.method], audit.image)
        figures.append(_figure(address, caption, f"map of {one.method}"))
    signed = any(audit.maps[one.method].signed for one in audit.checked)
    scale = f'each on its own scale, 0 <img class="ramp" src="{ramp_address(signed=False)}" alt="">'
    scale += " its maximum"
    if signed:
        scale += f'; signed ones, against <img class="ramp" src="{ramp_address(signed=True)}"'
        scale += ' alt=""> for'
    name = html.escape(audit.target.name)
    return (
        f"<h2>Maps of {name}</h2><p>At {html.escape(audit.provenance['layer'])}, {scale}.</p>"
        f'<div class="maps">{"".join(figures)}</div>'
    )


def _against(audit: Audit) -> str:
    contrast = audit.contrast
    if contrast is None:
        return ""
    target, other = html.escape(audit.target.name), html.escape(contrast.other.name)
    caption = f"<strong>{html.escape(contrast.attribution.method)}</strong><br>{_reading(contrast)}"
    figure = _figure(map_address(contrast.attribution, audit.image), caption, "map of the lead")
    lines = {
        audit.target.name: contrast.target_curve.scores,
        contrast.other.name: contrast.other_curve.scores,
    }
    chart = line_chart(
        contrast.target_curve.levels, lines, across="share of the pixels removed", up="probability"
    )
    return (
        f"<h2>{target} against {other}</h2><p>The map of the lead of {target}"
        f" ({percent(audit.target.probability)}) over {other}"
        f" ({percent(contrast.other.probability)}); and what happens to both when the pixels go"
        " that speak most for the lead.</p>"
        f'<div class="large">{figure}<div>{chart}</div></div>'
    )


def _reading(contrast: Contrast) -> str:
    if contrast.attribution.signed:
        return "red speaks for the lead, blue against it"
    return "what is bright speaks for the lead"
