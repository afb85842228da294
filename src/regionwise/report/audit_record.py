"""The numbers of an audit as JSON can hold them."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from regionwise.report.audit_result import Audit, Checked
from regionwise.report.audit_verdict import verdicts_of
from regionwise.report.audit_words import LIMITS, headline_of, statements_of


def audit_record(audit: Audit) -> dict[str, Any]:
    """Return everything that the page says, the maps as numbers; NaN and infinity become null."""
    contrast = audit.contrast
    record = {
        "provenance": audit.provenance,
        "answer": {
            "headline": headline_of(audit),
            "statements": [asdict(one) for one in statements_of(audit)],
            "limits": LIMITS,
        },
        "classes": audit.classes,
        "top": [asdict(one) for one in audit.top],
        "target": asdict(audit.target),
        "exact": None if audit.exact is None else _exact(audit),
        "methods": [_checked(audit, one) for one in audit.checked],
        "agreement": audit.agreement,
        "coincide": audit.same,
        "random_orders": {grain: asdict(chance) for grain, chance in audit.chance.items()},
        "noise": asdict(audit.noise),
        "against": None
        if contrast is None
        else {
            "class": asdict(contrast.other),
            "method": contrast.attribution.method,
            "map": contrast.attribution.maps[0, 0].tolist(),
            "target_under_removal": asdict(contrast.target_curve),
            "other_under_removal": asdict(contrast.other_curve),
        },
        "metrics": audit.metrics,
    }
    found: dict[str, Any] = _finite(record)
    return found


def _exact(audit: Audit) -> dict[str, Any]:
    exact, total = audit.exact, audit.total
    if exact is None:
        return {}
    return {
        "method": exact.method,
        "contributions": exact.maps[0].tolist(),
        "sum": None if total is None else asdict(total),
    }


def _checked(audit: Audit, one: Checked) -> dict[str, Any]:
    verdicts = [] if one.blank else [asdict(verdict) for verdict in verdicts_of(audit, one)]
    map_ = audit.maps[one.method].maps[0, 0].tolist()
    return {**asdict(one), "verdicts": verdicts, "map": map_}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
