"""Code that a recipe, or the plan of a benchmark, names: run only if the user names it too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from regionwise.attribution.foreign_names import foreign_name
from regionwise.errors import SettingError
from regionwise.trust import check_named, file_of

_NAMING: Final = ("models", "judges", "families", "seeds", "methods")
"""Where a recipe, and a plan, say what is loaded."""

_MATCHED: Final = "matched:"


def check_code(table: Mapping[str, Any], where: str) -> None:
    """Refuse files of code that a recipe or a plan names and the user does not.

    Args:
        table: as it was read; it may hold anything.
        where: what was read, for people.

    Raises:
        SettingError: names the file, and how to trust it.
    """
    texts = [text for key in _NAMING for text in _texts(table.get(key))]
    check_named(sorted({file for text in texts for file in _files(text)}), where)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)


def _files(text: str) -> Iterator[Path]:
    """Yield the file that a text names as a model or judge, and as a method."""
    model = file_of(text.removeprefix(_MATCHED))
    if model is not None:
        yield model
    with suppress(SettingError):  # cut short, and refused when it is read
        method = foreign_name(text)
        if method is not None and method.kind == "file":
            yield Path(method.place)
