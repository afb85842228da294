"""One recipe on top of another: ``extends = "claims"``, then only what is different.

The other one is named, or is a file, sought beside the file that names it. Groups of methods and
metrics with the same ``name``, and claims with the same ``id``, take the place of the other's; new
ones follow. Whatever else is given takes the place of the other's as a whole: families, published
numbers, single keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from regionwise.errors import SettingError

_DEEPEST: Final = 50

_KEYED: Final = {"methods": "name", "metrics": "name", "claims": "id"}


def extended(source: str, read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """Return the table of a recipe with all that it extends.

    Raises:
        SettingError: a recipe extends itself, or something that is no name.
    """
    return _extended(source, read, ())


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's table with another one on top."""
    found = {**base, **over}
    if "families" in over and "models" not in over:
        found.pop("models", None)  # those of the families take part
    for key, name in _KEYED.items():
        if _tables(base.get(key)) and _tables(over.get(key)):
            found[key] = _replaced(base[key], over[key], name)
    return found


def _extended(
    source: str, read: Callable[[str], dict[str, Any]], before: tuple[str, ...]
) -> dict[str, Any]:
    if source in before:
        raise SettingError(
            f"the recipe {source!r} extends itself: {' -> '.join((*before, source))}"
        )
    if len(before) > _DEEPEST:
        raise SettingError(f"the recipe {before[0]!r} extends more than {_DEEPEST} others")
    table = read(source)
    base = table.pop("extends", None)
    if base is None:
        return table
    if not isinstance(base, str) or not base:
        raise SettingError(f"'extends' of {source!r} cannot be {base!r}; give a recipe or a file")
    place = str(Path(source).parent / base) if base.endswith(".toml") else base
    return merged(_extended(place, read, (*before, source)), table)


def _tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _replaced(
    base: Sequence[dict[str, Any]], over: Sequence[dict[str, Any]], name: str
) -> list[dict[str, Any]]:
    """Return the tables of both; one that has the name of an earlier one stands in its place."""
    found = {table.get(name, f"base {number}"): table for number, table in enumerate(base)}
    found |= {table.get(name, f"over {number}"): table for number, table in enumerate(over)}
    return list(found.values())
