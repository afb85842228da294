"""Cards from other packages: what the entry points of a group name."""

from __future__ import annotations

from typing import Any

from regionwise.errors import SettingError


def plugged(group: str, kind: type[Any]) -> list[Any]:
    """Return the cards, of a ``kind``, that the entry points of a group name.

    Each names a card, or a list of them; the package of each is imported, so that one whose cards
    lie beside code that loads slowly slows all commands down.

    Raises:
        SettingError: one cannot be loaded, or is something else.
    """
    from importlib.metadata import entry_points  # noqa: PLC0415 - only when a card is asked for

    found: list[Any] = []
    for point in entry_points(group=group):
        what = f"the entry point {point.name!r} of {group!r} ({point.value})"
        try:
            loaded = point.load()
        except Exception as error:
            raise SettingError(
                f"{what} cannot be loaded: {type(error).__name__}: {error}; repair or uninstall its"
                " package"
            ) from error
        cards = [loaded] if isinstance(loaded, kind) else loaded
        if not isinstance(cards, list | tuple) or not all(isinstance(c, kind) for c in cards):
            raise SettingError(
                f"{what} must be a card, or a list of cards, not {type(loaded).__name__}"
            )
        found += cards
    return found
