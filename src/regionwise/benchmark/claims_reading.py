"""Reading families and claims from the tables of a recipe, with errors that name key and value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from regionwise.attribution.catalog import methods as known_methods
from regionwise.attribution.foreign_names import foreign_name
from regionwise.benchmark.claims import KINDS, Claim, Family, Kind, Side, Way
from regionwise.benchmark.recipe import Group
from regionwise.errors import SettingError, nearest
from regionwise.metrics.catalog import metrics as known_metrics

_SIDES: Final[Mapping[str, tuple[str, ...]]] = {
    "better": ("better", "than"),
    "equal": ("of", "as"),
    "bound": ("of",),
    "first": ("first", "among"),
}
_LIMITS: Final[Mapping[str, tuple[Way, ...]]] = {"equal": ("within",), "bound": ("below", "above")}
_ALWAYS: Final = ("id", "says", "source", "kind", "target", "judge")
_TARGETS: Final = ("predicted", "label", "pairs")
_BY: Final = ("answer", "image")


def read_families(tables: Sequence[Any]) -> tuple[Family, ...]:
    """Return the families of a recipe.

    Raises:
        SettingError: a family has no name or no network, or one that is taken.
    """
    found: dict[str, Family] = {}
    for number, table in enumerate(tables, start=1):
        where = f"[[families]] number {number}"
        given = _texts(table, where)
        name = given.pop("name", "")
        if not name or name in found:
            raise SettingError(f"{where} has the name {name!r}; give one that no other has")
        if not given:
            raise SettingError(f'{where} names no network; add a role, such as vanilla = "birds-1"')
        found[name] = Family(name, given)
    return tuple(found.values())


def read_claims(
    tables: Sequence[Any], families: Sequence[Family], target: str
) -> tuple[Claim, ...]:
    """Return the claims of a recipe; ``target`` is the class explained where one says nothing.

    Raises:
        SettingError: names the claim, the key, and what is allowed.
    """
    if tables and not families:
        raise SettingError("[[claims]] need [[families]] of networks; add at least one")
    roles = sorted({role for family in families for role in family.models})
    found: dict[str, Claim] = {}
    for number, table in enumerate(tables, start=1):
        claim = _claim(table, number, roles, target)
        if claim.id in found:
            raise SettingError(f"[[claims]] number {number} has the id {claim.id!r}, as another")
        found[claim.id] = claim
    return tuple(found.values())


def check_narrowed(
    methods: Sequence[Group], metrics: Sequence[Group], families: Sequence[Family]
) -> None:
    """Refuse groups of metrics, and roles, that methods are narrowed to and that do not exist.

    Raises:
        SettingError: names the group and the nearest that does.
    """
    groups = [group.name for group in metrics]
    roles = sorted({role for family in families for role in family.models})
    for group in methods:
        for key, names, known in (
            ("metrics", group.metrics, groups),
            ("roles", group.roles, roles),
        ):
            unknown = [name for name in names if name not in known]
            if unknown:
                raise SettingError(
                    f"{key!r} of the methods {group.name!r} cannot be {unknown[0]!r}:"
                    f" {nearest(unknown[0], known)}"
                )


def _claim(table: Any, number: int, roles: Sequence[str], target: str) -> Claim:
    where = f"claim {_named(table, number)}"
    kind: Kind = _one_of(table, "kind", KINDS, where, "better")
    _check_keys(table, kind, where)
    ends = [_sides(table[key], roles, f"{key!r} of {where}") for key in _SIDES[kind]]
    way, limit = _limit(table, kind, where)
    texts = table["metrics"] if kind == "first" else [table["metric"]]
    return Claim(
        id=str(table["id"]),
        says=str(table["says"]),
        source=str(table["source"]),
        kind=kind,
        metrics=tuple(_metric(text, kind, where) for text in texts),
        target=_one_of(table, "target", _TARGETS, where, target),
        sides=ends[0],
        than=ends[1] if len(ends) > 1 else (),
        by=_one_of(table, "by", _BY, where, "answer"),
        judge=str(table.get("judge", "")),
        way=way,
        limit=limit,
    )


def _named(table: Any, number: int) -> str:
    if not isinstance(table, dict):
        raise SettingError(f"[[claims]] number {number} is {table!r}; it must be a table")
    return repr(table["id"]) if "id" in table else f"number {number}"


def _check_keys(table: Mapping[str, Any], kind: str, where: str) -> None:
    """Refuse what a claim of this kind does not know, and what it lacks."""
    needed = ["id", "says", "source", *_SIDES[kind], "metrics" if kind == "first" else "metric"]
    allowed = [*needed, *_ALWAYS, *_LIMITS.get(kind, ()), *(() if kind == "first" else ("by",))]
    for key in table:
        if key not in allowed:
            raise SettingError(
                f"{where} has no key {key!r} (kind = {kind!r}): {nearest(key, allowed)}"
            )
    missing = [key for key in needed if not table.get(key)]
    if missing:
        raise SettingError(f"{where} lacks {missing[0]!r} (kind = {kind!r})")


def _limit(table: Mapping[str, Any], kind: str, where: str) -> tuple[Way, float]:
    ways = _LIMITS.get(kind, ())
    given = [way for way in ways if way in table]
    if not ways:
        return "", 0.0
    if len(given) != 1:
        raise SettingError(f"{where} needs one of {', '.join(ways)} (kind = {kind!r})")
    value = table[given[0]]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingError(f"{given[0]!r} of {where} cannot be {value!r}; give a number")
    if given[0] == "within" and value <= 0:
        raise SettingError(f"'within' of {where} cannot be {value!r}; give a number above 0")
    return given[0], float(value)


def _sides(value: Any, roles: Sequence[str], where: str) -> tuple[Side, ...]:
    found: list[Side] = []
    for table in value if isinstance(value, list) else [value]:
        methods = table.get("method", "") if isinstance(table, dict) else ""
        several = methods if isinstance(methods, list) else [methods]
        found += [_side(table, method, roles, where) for method in several]
    if not found:
        raise SettingError(f"{where} names nothing; give a role and a method")
    return tuple(dict.fromkeys(found))


def _side(table: Any, method: Any, roles: Sequence[str], where: str) -> Side:
    given = _texts({**table, "method": method} if isinstance(table, dict) else table, where)
    wrong = [key for key in given if key not in {"role", "method", "metric"}]
    if wrong:
        raise SettingError(f"{where} has no key {wrong[0]!r}; it has role, method and metric")
    role = given.get("role", "")
    if role not in roles:
        raise SettingError(f"{where} has the role {role!r}, as no family: {nearest(role, roles)}")
    side = Side(role, given.get("method", ""), given.get("metric", ""))
    if side.method and foreign_name(side.method) is None:
        known_methods.card(_name(side.method))
    if side.metric:
        known_metrics.card(_name(side.metric))
    return side


def _metric(text: Any, kind: str, where: str) -> str:
    """Refuse unknown names early; settings are checked when they are parsed."""
    if not isinstance(text, str):
        raise SettingError(f"{where} has the metric {text!r}; give a name")
    direction = known_metrics.card(_name(text)).direction
    if kind in {"better", "first"} and direction == "none":
        raise SettingError(f"{where}: {text!r} says of no value that it is better than another")
    return text


def _name(text: str) -> str:
    return text.strip().partition(":")[0]


def _one_of(
    table: Mapping[str, Any], key: str, allowed: Sequence[str], where: str, default: str
) -> Any:
    value = table.get(key, default)
    if value not in allowed:
        raise SettingError(
            f"{key!r} of {where} cannot be {value!r}; give one of {', '.join(allowed)}"
        )
    return value


def _texts(table: Any, where: str) -> dict[str, str]:
    if not isinstance(table, dict):
        raise SettingError(f"{where} is {table!r}; it must be a table of keys and values")
    for key, value in table.items():
        if not isinstance(value, str):
            raise SettingError(f"{key!r} of {where} cannot be {value!r}; give a text")
    return dict(table)
