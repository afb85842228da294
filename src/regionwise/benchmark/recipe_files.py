"""Reading a recipe: a TOML file, changes to it, and errors that name key and value."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from regionwise.attribution.catalog import methods as known_methods
from regionwise.attribution.foreign_names import foreign_name
from regionwise.benchmark.claims_reading import check_narrowed, read_claims, read_families
from regionwise.benchmark.named_code import check_code
from regionwise.benchmark.recipe import OWN, TARGETS, BenchmarkRecipe, Group, Published
from regionwise.benchmark.recipe_extends import extended
from regionwise.benchmark.seeds import read_seeds
from regionwise.errors import RegionwiseError, SettingError, nearest
from regionwise.metrics.catalog import metrics as known_metrics
from regionwise.regular import text_of

_FOLDER = files("regionwise.benchmark") / "recipes"
_TOP: Final = {
    "title": str,
    "summary": str,
    "models": list,
    "judges": list,
    "target": str,
    "images": int,
    "seed": int,
    "chunk": int,
    "methods": list,
    "metrics": list,
    "cost": dict,
    "published": list,
    "families": list,
    "claims": list,
    "seeds": list,
}
_GROUP: Final = {
    "name": str,
    "images": int,
    "use": list,
    "target": str,
    "metrics": list,
    "roles": list,
}
_PUBLISHED: Final = {"method": str, "metric": str, "value": float, "source": str}
_PRINTED_FOR: Final = {"model": str, "data": str}
_SEEDS: Final = 2**63
_KINDS: Final = {
    str: "text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


def recipe_names() -> tuple[str, ...]:
    """Return the names of the recipes that come with the package."""
    found = [Path(item.name).stem for item in _FOLDER.iterdir() if item.name.endswith(".toml")]
    return tuple(sorted(found))


def read_recipe(source: str, changes: Sequence[str] = ()) -> BenchmarkRecipe:
    """Read a recipe that comes with the package, by name, or a TOML file.

    ``changes`` are ``key=value``: ``images=20``, ``methods.masked.images=8``,
    ``metrics.curves.use=["deletion"]``; the value is TOML, or else text.

    Raises:
        SettingError: the file cannot be read, or a key or value in it makes no sense; it is named.
            Or it names code in a file that the user did not name; ``changes`` may.
    """
    try:
        table = extended(source, _read_table)
        check_code(table, f"the recipe {source!r}")
        for change in changes:
            _change(table, change)
        return from_table(table, Path(source).stem)
    except RegionwiseError as error:
        said = str(error)
        raise SettingError(said if repr(source) in said else f"{source!r}: {said}") from error


def from_table(table: Mapping[str, Any], name: str) -> BenchmarkRecipe:
    """Check the values of a TOML file and return the recipe.

    Raises:
        SettingError: names the key, its value, and what is allowed.
    """
    given = _checked(table, _TOP, f"recipe {name!r}")
    for needed in ("methods", "metrics"):
        if not given.get(needed):
            raise SettingError(
                f"recipe {name!r} has no {needed}; add a [[{needed}]] with use = [..]"
            )
    images = given.get("images", BenchmarkRecipe.images)
    for key, least in (("images", 1), ("seed", 0), ("chunk", 1)):
        _at_least(given, key, least, f"recipe {name!r}")
    if given.get("seed", 0) >= _SEEDS:
        raise SettingError(f"'seed' of recipe {name!r} cannot be {given['seed']}; give less")
    target = _target(given, "target", TARGETS[:2], f"recipe {name!r}")
    cost = _checked(given.get("cost", {}), {"images": int}, f"[cost] of {name!r}")
    _at_least(cost, "images", 0, f"[cost] of {name!r}")
    families = read_families(given.get("families", []))
    seeds = read_seeds(given.get("seeds", []))
    trained = tuple(model for group in seeds for model in group.models)
    models = tuple(m for f in families for m in f.models.values()) or trained or ("birds",)
    metrics = _groups(given["metrics"], "metrics", images)
    methods = _groups(given["methods"], "methods", images)
    check_narrowed(methods, metrics, families)
    return BenchmarkRecipe(
        name=name,
        title=given.get("title", name),
        summary=given.get("summary", ""),
        models=tuple(dict.fromkeys((*_texts(given, "models", models), *trained))),
        judges=_texts(given, "judges", (OWN,)),
        target=target or "predicted",
        images=images,
        seed=given.get("seed", 0),
        chunk=given.get("chunk", BenchmarkRecipe.chunk),
        methods=methods,
        metrics=metrics,
        cost=cost.get("images", BenchmarkRecipe.cost),
        published=tuple(_published(item) for item in given.get("published", [])),
        families=families,
        claims=read_claims(given.get("claims", []), families, target or "predicted"),
        seeds=seeds,
    )


def _read_table(source: str) -> dict[str, Any]:
    path = Path(source)
    if source in recipe_names():
        text = (_FOLDER / f"{source}.toml").read_text(encoding="utf-8")
    elif path.suffix != ".toml":
        hint = nearest(source, recipe_names())
        raise SettingError(f"unknown recipe {source!r}: {hint} A file must end in .toml")
    else:
        try:
            text = text_of(path)
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise SettingError(f"cannot read the recipe {source!r}: {reason}") from error
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingError(f"the recipe {source!r} is no TOML: {error}") from error


def _change(table: dict[str, Any], change: str) -> None:
    """Set ``a.b=value`` in a table; a group is named by its ``name``."""
    path, equals, text = change.partition("=")
    *parents, last = path.strip().split(".")
    if not equals or not last:
        raise SettingError(f"{change!r} is no change; write key=value, such as images=20")
    place: Any = table
    for key in parents:
        if isinstance(place, list):
            named = {g.get("name"): g for g in place if isinstance(g, dict)}
            if key not in named:
                hint = nearest(key, [str(name) for name in named])
                raise SettingError(f"{change!r}: there is no group {key!r}: {hint}")
            place = named[key]
        else:
            place = place.setdefault(key, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise SettingError(f"{change!r}: {path!r} is no key of a recipe")
    place[last] = _value(text)


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def _checked(table: Any, known: Mapping[str, type], where: str) -> dict[str, Any]:
    if not isinstance(table, dict):
        raise SettingError(f"{where} is {table!r}; it must be a table of keys and values")
    for key, value in table.items():
        if key not in known:
            raise SettingError(f"{where} has no key {key!r}: {nearest(key, known)}")
        kind = known[key]
        fits = isinstance(value, int | float if kind is float else kind)
        if not fits or (isinstance(value, bool) and kind is not bool):
            raise SettingError(f"{key!r} of {where} cannot be {value!r}; give {_KINDS[kind]}")
    return dict(table)


def _at_least(table: Mapping[str, Any], key: str, least: int, where: str) -> None:
    if key in table and table[key] < least:
        raise SettingError(f"{key!r} of {where} cannot be {table[key]}; give at least {least}")


def _target(table: Mapping[str, Any], key: str, allowed: Sequence[str], where: str) -> str:
    target = str(table.get(key, ""))
    if target and target not in allowed:
        raise SettingError(
            f"{key!r} of {where} cannot be {target!r}; give one of {', '.join(allowed)}"
        )
    return target


def _texts(table: Mapping[str, Any], key: str, default: tuple[str, ...]) -> tuple[str, ...]:
    values = table.get(key, list(default))
    if not values or not all(isinstance(value, str) for value in values):
        raise SettingError(f"{key!r} cannot be {values!r}; give a list of texts, at least one")
    return tuple(dict.fromkeys(values))


def _groups(values: list[Any], kind: str, images: int) -> tuple[Group, ...]:
    found: dict[str, Group] = {}
    for number, value in enumerate(values, start=1):
        where = f"[[{kind}]] number {number}"
        table = _checked(value, _GROUP, where)
        _at_least(table, "images", 1, where)
        name = table.get("name", f"group {number}")
        if name in found:
            raise SettingError(f"{where} has the name {name!r}, as another; choose another name")
        if kind == "methods" and "target" in table:
            raise SettingError(f"{where} has a target; only [[metrics]], or the recipe, has one")
        if kind == "metrics" and {"metrics", "roles"} & set(table):
            raise SettingError(f"{where} has metrics or roles; only [[methods]] have them")
        found[name] = Group(
            name=name,
            use=_names(_texts(table, "use", ()), kind),
            images=table.get("images", images),
            target=_target(table, "target", TARGETS, where),
            metrics=_texts(table, "metrics", ()) if "metrics" in table else (),
            roles=_texts(table, "roles", ()) if "roles" in table else (),
        )
    return tuple(found.values())


def _names(texts: tuple[str, ...], kind: str) -> tuple[str, ...]:
    """Refuse unknown names early; settings are checked when they are parsed."""
    for text in texts:
        name = text.strip().partition(":")[0]
        if kind == "methods":
            if foreign_name(text) is None:
                known_methods.card(name)
        else:
            known_metrics.card(name)
    return texts


def _published(value: Any) -> Published:
    table = _checked(value, {**_PUBLISHED, **_PRINTED_FOR}, "[[published]]")
    missing = [key for key in _PUBLISHED if key not in table]
    if missing:
        raise SettingError(f"a [[published]] number lacks {missing[0]!r}: {value!r}")
    return Published(**{**table, "value": float(table["value"])})
