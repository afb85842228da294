"""How settings are written: ``name:setting=value,setting=value``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from regionwise.errors import SettingError, nearest


def given_settings(name: str, text: str, known: Iterable[str]) -> dict[str, str]:
    """Take ``"setting=value,setting=value"`` apart.

    Raises:
        SettingError: a setting that is not known, or is given twice, or has no value.
    """
    known, values, whole = tuple(known), dict[str, str](), f"{name}:{text}"
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise SettingError(f"{item!r} in {whole!r} is no setting; write setting=value")
        if key not in known:
            raise SettingError(f"{name!r} has no setting {key!r}: {nearest(key, known)}")
        if key in values:
            raise SettingError(f"setting {key!r} is given twice in {whole!r}")
        values[key] = value
    return values


def with_settings(name: str, changed: Mapping[str, Any]) -> str:
    """Return ``"name:setting=value,setting=value"``, in alphabetical order."""
    settings = sorted(f"{key}={spelled(value)}" for key, value in changed.items())
    return ":".join([name, ",".join(settings)]) if settings else name


def spelled(value: Any) -> str:
    """Return a value as it is written."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def meant(text: str, like: Any = None) -> bool | int | float | str:
    """Return what a text means, where only the default is known: a switch, a number, or text.

    What stands for a text stays a text, and for a number with a point becomes one.
    """
    switches = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    if isinstance(like, str):
        return text
    if text.lower() in switches:
        return switches[text.lower()]
    for kind in (float,) if isinstance(like, float) else (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
