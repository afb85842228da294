"""Holding a value that was read from JSON against the shape that it must have.

A shape is written as the value looks: ``{"name": str, "images": int}`` for fields (``"label?"`` may
be missing), ``[str]`` for lists, ``Each(str)`` for any names with values of one shape, a tuple for
one of several, ``None`` for null, and ``object`` for anything.

>>> mismatch({"images": ["a", 3]}, {"images": [str], "seed?": int})
"'images[1]' is 3; it must be a text"
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_WORDS: Final = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True)
class Each:
    """Names with values of one shape."""

    value: Any


def mismatch(value: Any, shape: Any, where: str = "") -> str:
    """Return the first place where a value has another shape, in words; empty if there is none."""
    if shape is object:
        return ""
    if isinstance(shape, tuple):
        found = [mismatch(value, one, where) for one in shape]
        return "" if "" in found else found[0]
    if not _is_a(value, shape):
        kind = shape if isinstance(shape, type) or shape is None else type(shape)
        return f"{where or 'it'!r} is {reprlib.repr(value)}; it must be {_word(kind)}"
    return next((said for said in _inside(value, shape, where) if said), "")


def _is_a(value: Any, shape: Any) -> bool:
    if shape is None:
        return value is None
    if shape is str:
        return isinstance(value, str) and not any("\ud800" <= sign <= "\udfff" for sign in value)
    if shape in (int, float):
        kinds = (int,) if shape is int else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    if isinstance(shape, type):
        return isinstance(value, shape)
    return isinstance(value, list if isinstance(shape, list) else dict)


def _inside(value: Any, shape: Any, where: str) -> Iterator[str]:
    if isinstance(shape, list):
        for place, item in enumerate(value):
            yield mismatch(item, shape[0], f"{where}[{place}]")
    elif isinstance(shape, Each):
        for name, item in value.items():
            yield mismatch(name, str, where) or mismatch(item, shape.value, f"{where}.{name}")
    elif isinstance(shape, dict):
        yield from _fields(value, shape, where)


def _fields(value: Any, shape: dict[str, Any], where: str) -> Iterator[str]:
    for field, own in shape.items():
        name, below = field.removesuffix("?"), f"{where}.{field.removesuffix('?')}".lstrip(".")
        if name in value:
            yield mismatch(value[name], own, below)
        elif not field.endswith("?"):
            yield f"{below!r} is missing"


def _word(kind: Any) -> str:
    names = {None: "null", list: "a list", dict: "names with values", Each: "names with values"}
    return names.get(kind) or _WORDS.get(kind) or "something else"
