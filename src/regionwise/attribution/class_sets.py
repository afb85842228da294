"""Sets of classes whose maps are added up, such as CALM's supersets ("+ Y").

Asked for by a setting ``classes`` of ``cam``, ``calm`` and ``cape``:

=================  =============================================================================
``all``            every class, as CALM takes them on CUB
``self``           the target alone
``family``         classes whose names end in the same word as the target's: ``..._Warbler``, as
                   CUB-200-2011 and rendered birds name their families
``3+5+9``          these, whatever the target is
``sets.toml``      a file, TOML or JSON, of classes by name or index. ``[sets]`` gives a class its
                   set; ``[groups]`` are sets shared by their members. A class that is in neither
                   stands alone.
=================  =============================================================================

::

    [sets]
    "Afghan hound" = ["Afghan hound", "Saluki", "Borzoi"]

    [groups]
    cats = ["Tabby", "Tiger cat", "Persian cat"]

A file becomes ``sets.toml#1f2e3d4c`` in a method's id, with a hash of what it says: another content
is another method.

Reference: Kim et al. 2021 (CALM), Sec. 4.1.3 and 5.4.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from regionwise.errors import SettingError, TargetError, nearest
from regionwise.regular import text_of

ALL: Final = "all"
SELF: Final = "self"
FAMILY: Final = "family"

SetOf: TypeAlias = Callable[[int], Sequence[int]]
"""Gives the set of a target, as class indices."""

_SUFFIXES: Final = (".toml", ".json")
_TABLES: Final = ("sets", "groups")


def checked_classes(method: str, text: str) -> str:
    """Return a setting ``classes`` that makes sense, the hash of a file's content behind its name.

    Raises:
        SettingError: it is none of those above, the file cannot be read, or its content is no
            longer that of the hash.
    """
    if text in {ALL, SELF, FAMILY} or _indices(text) is not None:
        return text
    path = text.partition("#")[0]
    if not path.endswith(_SUFFIXES):
        raise SettingError(
            f"setting 'classes' of {method!r} is all, self, family, indices joined by +, such as"
            f" 3+5+9, or a .toml or .json file, not {text!r}"
        )
    return f"{path}#{_hash(_read(text))}"


def is_fixed(text: str) -> bool:
    """Whether the set is the same for every target."""
    return text == ALL or _indices(text) is not None


def set_of_target(text: str, count: int, names: Sequence[str] | None) -> SetOf:
    """Return what gives the set of each target, of ``count`` classes with these names.

    Raises:
        SettingError: the file is wrong, or names are needed and not known.
        TargetError: a class does not exist, stands there twice, or a set lacks its own class.
    """
    given = _indices(text)
    if given is not None:
        fixed = _distinct(given, count)
        return lambda _: fixed
    if text == ALL:
        everything = range(count)
        return lambda _: everything
    if text == SELF:
        return lambda target: [target]
    sets = _families(names) if text == FAMILY else _of_file(text, count, names or ())
    return lambda target: sets.get(target, [target])


def _indices(text: str) -> list[int] | None:
    try:
        return [int(part) for part in text.split("+")]
    except ValueError:
        return None


def _distinct(classes: Sequence[int], count: int) -> list[int]:
    missing = [c for c in classes if not 0 <= c < count]
    if missing:
        raise TargetError(f"there is no class {missing[0]}; there are {count}, from 0")
    if len(set(classes)) != len(classes):
        raise TargetError(f"a set of classes must be given, each once, not {list(classes)}")
    return sorted(classes)


def _families(names: Sequence[str] | None) -> dict[int, list[int]]:
    if names is None:
        raise SettingError(
            "classes=family needs the names of the classes, and this network knows none; give"
            " indices joined by +, or a file"
        )
    last = [_plain(name).rpartition("_")[2] for name in names]
    return {
        index: [other for other, noun in enumerate(last) if noun == last[index]]
        for index in range(len(last))
    }


def _of_file(text: str, count: int, names: Sequence[str]) -> dict[int, list[int]]:
    """Return the sets of a file by class; a class that it gives no set is not in it."""
    path, table, found = text.partition("#")[0], _read(text), dict[int, list[int]]()
    places: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        places.setdefault(_plain(name), []).append(index)

    def place(item: Any) -> int:
        return _place(path, item, places, count)

    for name, members in table.get("sets", {}).items():
        own, classes = place(name), _distinct([place(item) for item in members], count)
        if own not in classes:
            raise TargetError(f"the set of {name!r} in {path!r} lacks {name!r} itself; add it")
        _put(path, found, own, classes)
    for members in table.get("groups", {}).values():
        classes = _distinct([place(item) for item in members], count)
        for own in classes:
            _put(path, found, own, classes)
    return found


def _put(path: str, found: dict[int, list[int]], own: int, classes: list[int]) -> None:
    if own in found:
        raise SettingError(f"{path!r} gives class {own} two sets; leave one out")
    found[own] = classes


def _place(path: str, item: Any, places: Mapping[str, list[int]], count: int) -> int:
    """Return the index of a class that a file names, or counts."""
    own = places.get(_plain(str(item)), ()) if isinstance(item, str) else ()
    if len(own) == 1:
        return own[0]
    if len(own) > 1:
        raise SettingError(f"{path!r} names {item!r}, as {len(own)} classes are called: {own}")
    if str(item).isdecimal() and int(item) < count:
        return int(item)
    hint = nearest(str(item), places) if places else "this network knows no names; give indices"
    raise TargetError(f"{path!r} names {item!r}, and there is no such class: {hint}")


def _plain(name: str) -> str:
    """Return a name without CUB's number, letter case and blanks."""
    return re.sub(r"^\d+\.", "", name).strip().lower().replace(" ", "_")


def _hash(table: Any) -> str:
    content = json.dumps(table, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()[:8]


def _read(text: str) -> dict[str, dict[str, list[Any]]]:
    """Return the tables of a file, whose hash must be the one behind its name, if there is one."""
    path, _, known = text.partition("#")
    try:
        content = text_of(Path(path))
        table: Any = tomllib.loads(content) if path.endswith(".toml") else json.loads(content)
    except OSError as error:
        raise SettingError(f"cannot read the sets {path!r}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise SettingError(f"the sets {path!r} cannot be read: {error}") from error
    if not isinstance(table, dict) or not table or not set(table) <= set(_TABLES):
        raise SettingError(f"{path!r} must hold the tables [sets] or [groups], and nothing else")
    for kind, sets in table.items():
        lists = sets.values() if isinstance(sets, dict) else [None]
        if not all(isinstance(one, list) and one for one in lists):
            raise SettingError(f"[{kind}] of {path!r} must give each name a list of classes")
    if known not in {"", _hash(table)}:
        raise SettingError(
            f"{path!r} has changed: its content has the hash {_hash(table)}, and {known} was asked"
            f" for; leave '#{known}' out to take it as it is"
        )
    return table
