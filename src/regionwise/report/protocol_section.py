"""Where every number comes from: metrics with their settings, models, data, what was left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from regionwise.benchmark.answers import Answer
from regionwise.benchmark.summary import Summary
from regionwise.metrics.catalog import metrics as known_metrics
from regionwise.report.manifest import versions
from regionwise.report.markup import code, folded, listed, paragraph, section, table, tag, text
from regionwise.report.number_cells import anchor


def protocol_section(summary: Summary, protocols: Mapping[str, Any]) -> str:
    """Return what stands behind every number: one entry for each protocol in the rows."""
    entries = []
    for protocol in dict.fromkeys(answer.table.protocol for answer in summary.answers):
        own = [answer for answer in summary.answers if answer.table.protocol == protocol]
        entries.append(_entry(protocol, own, protocols.get(protocol, {})))
    others = {k: v for k, v in protocols.items() if k.startswith("judge ")}
    entries += [tag("h3", text(name)) + _fields(fields) for name, fields in others.items()]
    return section("protocols", "Protocols", *entries)


def origin_section(summary: Summary) -> str:
    """Return the data, the models and the recipe: what one needs to do it again."""
    plan = summary.plan
    recipe, data = plan["recipe"], plan["data"]
    done, planned = summary.done
    about = {
        "data": f"{data['source']}, split {data['split']}, {data['pictures']} pictures",
        "fingerprint": data["fingerprint"],
        "recipe": recipe["name"],
        "seed": str(recipe["seed"]),
        "judges": ", ".join(f"{j} {plan['judges'].get(j, '')}".strip() for j in recipe["judges"]),
        "plan": f"{plan['hash']}, protocol {plan['protocol']}; {done} of {planned} chunks are done",
        "page made by": ", ".join(f"{name} {which}" for name, which in versions().items()),
    }
    models = "".join(_model(used) for used in plan["models"])
    whole = tag("pre", text(json.dumps(recipe, indent=1, ensure_ascii=False)))
    return section("origin", "Data and models", _terms(about), models, folded("Recipe", whole))


def missing_section(summary: Summary) -> str:
    """Return what was left out, and what failed; nothing if nothing was."""
    left = [
        f"{code(name)} of {text(used['source'])}: {text(why)}"
        for used in summary.plan["models"]
        for name, why in used["left_out"].items()
    ]
    left += [f"{code(name)}: {text(why)}" for name, why in summary.plan["left_out"].items()]
    rows = [
        [code(method), text(metric or "all"), str(count), text(reason)]
        for method, metric, reason, count in summary.errors
    ]
    errors = table(["method", "metric", "images", "reason"], rows, "words") if rows else ""
    title = "<h3>Errors</h3>" if rows else ""
    return section("missing", "Left out", listed(left), title, errors)


def _entry(protocol: str, answers: Sequence[Answer], fields: Mapping[str, Any]) -> str:
    name = answers[0].table.metric
    card = known_metrics.card(name.partition(":")[0])
    images = sorted({answer.images for answer in answers})
    span = f"{images[0]}" if len(images) == 1 else f"{images[0]} to {images[-1]}"
    unit = "pairs of a picture and another class" if answers[0].target == "pairs" else "pictures"
    judges = sorted({a.table.judge for a in answers} - {""})
    terms = {
        "formula": card.formula,
        "better": card.direction,
        "range": card.range,
        "reference": card.reference,
        "choice": card.choice,
        "class explained": answers[0].target,
        "maps": str(fields.get("saliency", "")),
        "settings": _settings(fields.get("settings", {})),
        "judged by": ", ".join(judges) or "nobody: the map alone",
        "measured on": f"{span} {unit} by method",
    }
    head = tag("h3", f"{text(name)} {code(protocol)}")
    return tag("article", head + paragraph(card.summary) + _terms(terms), id=anchor(protocol))


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in settings.items()) or "none"


def _fields(fields: Mapping[str, Any]) -> str:
    return _terms({name: json.dumps(value) for name, value in fields.items()})


def _model(used: Mapping[str, Any]) -> str:
    record = {name: value for name, value in used["record"].items() if name != "source"}
    terms = {"hash": used["hash"]}
    terms |= {n: v if isinstance(v, str) else json.dumps(v) for n, v in record.items()}
    for source in used.get("sources", ()):
        terms[f"method {source['id']}"] = f"content {source['content']}"
    return tag("h3", text(used["source"])) + _terms(terms)


def _terms(terms: Mapping[str, str]) -> str:
    pairs = (tag("dt", text(name)) + tag("dd", text(v)) for name, v in terms.items() if v)
    return tag("dl", "".join(pairs))
