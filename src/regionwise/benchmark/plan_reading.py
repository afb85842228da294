"""What the plan of a benchmark, and its protocols, must hold to be read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from regionwise.benchmark.shape import Each, mismatch
from regionwise.errors import DataError

_GROUP: Final = {"name": str, "use": [str], "images": int, "target?": str}
_PUBLISHED: Final = {"method": str, "metric": str, "value": float, "source": str}
_SIDE: Final = {"role": str, "method": str, "metric": str}
_CLAIM: Final = {
    **dict.fromkeys(("id", "says", "source", "kind", "target", "by", "judge", "way"), str),
    "metrics": [str],
    "sides": [_SIDE],
    "than": [_SIDE],
    "limit": float,
}
_RECIPE: Final = {
    **dict.fromkeys(("name", "title", "summary", "target"), str),
    "seed": int,
    "cost": int,
    "judges": [str],
    "methods": [_GROUP],
    "metrics": [_GROUP],
    "published": [{**_PUBLISHED, "model?": str, "data?": str}],
    "families?": [{"name": str, "models": Each(str)}],
    "claims?": [_CLAIM],
    "seeds?": [{"name": str, "models": [str]}],
}
_MATCHED: Final = {"temperature": float, "confidence": float, "reference": float, "pictures": int}
_MODEL: Final = {
    "source": str,
    "hash": str,
    "methods": Each([str]),
    "left_out": Each(str),
    "record": {"matched?": Each(_MATCHED)},
    "sources?": [{"id": str, "text": str, "content": str}],
}
_DATA: Final = {"source": str, "split": str, "pictures": int, "fingerprint": str}
_PLAN: Final = {
    "protocol": int,
    "hash": str,
    "recipe": _RECIPE,
    "data": {**_DATA, "segments?": str},
    "models": [_MODEL],
    "judges": Each(str),
    "metrics": Each([str]),
    "left_out": Each(str),
    "chunks": [str],
}
_PROTOCOL: Final = {"settings?": Each(object), "target?": str, "saliency?": str}


def check_plan(plan: Mapping[str, Any], path: str) -> None:
    """Refuse a plan that lacks something, or contradicts itself.

    Raises:
        DataError: names the file and the field.
    """
    said = mismatch(plan, _PLAN) or _contradiction(plan)
    if said:
        raise DataError(f"{path!r} is damaged: {said}")


def check_protocols(protocols: Mapping[str, Any], path: str) -> None:
    """Refuse protocols that are not fields with values.

    Raises:
        DataError: names the file and the field.
    """
    said = mismatch(protocols, Each(_PROTOCOL))
    if said:
        raise DataError(f"{path!r} is damaged: {said}")


def _contradiction(plan: Mapping[str, Any]) -> str:
    recipe = plan["recipe"]
    if not 0 <= recipe["seed"] < 2**63:
        return f"'recipe.seed' is {recipe['seed']}"
    if len(set(plan["chunks"])) < len(plan["chunks"]):
        return "'chunks' names a chunk twice"
    if not recipe["judges"]:
        return "'recipe.judges' names nobody"
    known = {group["name"] for group in recipe["metrics"]}
    groups = sorted(plan["metrics"].keys() - known)
    return f"'metrics' has a group {groups[0]!r}, as the recipe has not" if groups else ""
