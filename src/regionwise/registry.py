"""Cards: what there is, by name, without importing torch.

A card describes a method or a metric and says where its recipe lies. The recipe, a frozen
dataclass, is imported only when it is asked for. ``"score-cam++:activation=mish"`` is parsed into
the recipe with that setting; the recipe's canonical id is the name followed by the settings that
differ from their defaults, in alphabetical order.
"""

from __future__ import annotations

import dataclasses
import importlib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Literal, TypeVar

from regionwise.errors import SettingError, nearest
from regionwise.plugins import plugged
from regionwise.spelling import given_settings, spelled, with_settings

RUN_ONLY: Final = {"run_only": True}
"""Field metadata of a setting that changes how a recipe runs, not what it computes."""

CHUNKED: Final = {"run_only": True, "at_least": 1}
"""Field metadata of a number of items that are run together."""


@dataclass(frozen=True)
class Setting:
    """One setting of a recipe: its default and what it may be."""

    name: str
    default: Any
    kind: type
    allowed: tuple[Any, ...] | None = None
    run_only: bool = False
    at_least: int | float | None = None

    def accepts(self, value: Any) -> bool:
        """Whether the setting may have this value."""
        if self.allowed is not None:
            return value in self.allowed
        if value is None and self.default is None:
            return True
        return self.at_least is None or value >= self.at_least


@dataclass(frozen=True, kw_only=True)
class AnyCard:
    """What a reader needs to know about anything that has a name and a recipe.

    Attributes:
        name: as on the command line.
        title: as in the literature.
        reference: author, year, equation.
        recipe: ``"package.module:Class"``.
        formula: the equation in plain characters.
        summary: one sentence for people.
        choice: what was chosen where paper and published code differ; empty if they agree.
    """

    name: str
    title: str
    reference: str
    recipe: str
    formula: str
    summary: str
    choice: str = ""

    def load(self) -> type[Any]:
        """Import the recipe class."""
        loaded: type[Any] = named(self.recipe)
        return loaded

    def settings(self) -> Mapping[str, Setting]:
        """Return the settings of the recipe by name."""
        return settings_of(self.load())


@dataclass(frozen=True, kw_only=True)
class Card(AnyCard):
    """What a reader, and the front door, need to know about a method.

    Attributes:
        needs: evidence asked of the probe.
        passes: cost per image: F = forward, B = backward to the layer, h = forward of what lies
            behind the layer, K = channels and Z = cells of the layer.
        class_agnostic: the map does not depend on the target.
        uses_layer: the map depends on the layer that is explained.
        differentiable: the map depends on the network by operations with useful derivatives.
        planar: the formula knows a plane of rows and columns, not only cells: no volumes.
        signed: zero says nothing, a positive value speaks for the target, a negative one against
            it: always, never, or with these settings (``"relu=false"``; several joined by commas,
            alternatives by ``" or "``).
    """

    needs: frozenset[str] = field(default_factory=frozenset)
    passes: str = "1 F"
    class_agnostic: bool = False
    uses_layer: bool = True
    differentiable: bool = True
    planar: bool = False
    signed: bool | str = False

    def is_signed(self, recipe: Any) -> bool:
        """Whether the maps of ``recipe`` are signed, given its settings."""
        if isinstance(self.signed, bool):
            return self.signed
        return any(
            all(_has(recipe, setting) for setting in way.split(","))
            for way in self.signed.split(" or ")
        )


C = TypeVar("C", bound=AnyCard)


class Registry(Generic[C]):
    """Cards by name: add once, get with a hint, list, parse.

    ``group`` names the entry points by which other packages add cards, at the first question.
    """

    def __init__(self, kind: str, group: str = "") -> None:
        self._kind = kind
        self._group = group
        self._cards: dict[str, C] = {}

    def add(self, card: C) -> C:
        """Add a card; a name can be taken once.

        Raises:
            SettingError: the name is taken.
        """
        if card.name in self._cards:
            message = f"a {self._kind} named {card.name!r} exists already; choose another name"
            raise SettingError(message)
        self._cards[card.name] = card
        return card

    def __iter__(self) -> Iterator[str]:
        return iter(self._known())

    def __contains__(self, name: object) -> bool:
        return name in self._known()

    def __len__(self) -> int:
        return len(self._known())

    def cards(self) -> list[C]:
        """Return all cards in the order in which they were added."""
        return list(self._known().values())

    def card(self, name: str) -> C:
        """Return one card.

        Raises:
            SettingError: no card has this name; the nearest names are offered.
        """
        known = self._known()
        if name not in known:
            raise SettingError(f"unknown {self._kind} {name!r}: {nearest(name, known)}")
        return known[name]

    def parse(self, text: str) -> Any:
        """Build a recipe from ``"name"`` or ``"name:setting=value,setting=value"``.

        Raises:
            SettingError: unknown name or setting, or a value that the setting does not allow.
        """
        name, colon, rest = text.strip().partition(":")
        card = self.card(name)
        if colon and not rest:
            raise SettingError(
                f"{text!r} ends in a colon; write {name!r} or '{name}:setting=value'"
            )
        return built(card.load(), name, rest)

    def _known(self) -> dict[str, C]:
        """Return the cards; those of other packages are added first, once."""
        if self._group:
            found: list[C] = plugged(self._group, AnyCard)
            self._group = ""
            for card in found:
                self.add(card)
        return self._cards


def built(recipe: type[Any], name: str, text: str) -> Any:
    """Build a recipe from ``"setting=value,setting=value"``.

    Raises:
        SettingError: an unknown setting, or a value that the setting does not allow.
    """
    known = settings_of(recipe)
    given = given_settings(name, text, known)
    return recipe(**{key: _convert(name, known[key], value) for key, value in given.items()})


def named(path: str) -> Any:
    """Import ``"package.module:name"``."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def settings_of(recipe: type[Any]) -> Mapping[str, Setting]:
    """Return the settings of a recipe class, from its dataclass fields."""
    hints = typing.get_type_hints(recipe)
    settings = {}
    for item in dataclasses.fields(recipe):
        allowed = None
        kind = hints[item.name]
        if typing.get_origin(kind) is Literal:
            allowed = typing.get_args(kind)
            kind = type(allowed[0])
        elif isinstance(kind, types.UnionType):
            kind = next(a for a in typing.get_args(kind) if a is not types.NoneType)
        settings[item.name] = Setting(
            name=item.name,
            default=item.default,
            kind=kind,
            allowed=allowed,
            run_only=bool(item.metadata.get("run_only", False)),
            at_least=item.metadata.get("at_least"),
        )
    return settings


def check_settings(recipe: Any, name: str) -> None:
    """Refuse a value that a field does not list, or that is too small for it.

    Raises:
        SettingError: names the value and what is allowed.
    """
    for setting in settings_of(type(recipe)).values():
        value = getattr(recipe, setting.name)
        if not setting.accepts(value):
            raise SettingError(_refusal(name, setting, value))


def canonical_id(name: str, recipe: Any) -> str:
    """Return the name and the settings that differ from their defaults, alphabetically."""
    changed = {}
    for setting in settings_of(type(recipe)).values():
        value = getattr(recipe, setting.name)
        if not setting.run_only and value != setting.default:
            changed[setting.name] = value
    return with_settings(name, changed)


def _has(recipe: Any, setting: str) -> bool:
    name, _, value = setting.partition("=")
    return spelled(getattr(recipe, name)) == value


def _convert(name: str, setting: Setting, text: str) -> Any:
    switches = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    try:
        value = switches[text.lower()] if setting.kind is bool else setting.kind(text)
    except (KeyError, ValueError):
        raise SettingError(_refusal(name, setting, text)) from None
    return value


def _refusal(name: str, setting: Setting, value: Any) -> str:
    if setting.allowed is not None:
        allowed = "one of " + ", ".join(str(a) for a in setting.allowed)
    else:
        kinds = {bool: "true or false", int: "a whole number", float: "a number"}
        allowed = kinds.get(setting.kind, setting.kind.__name__)
        allowed += "" if setting.at_least is None else f", at least {setting.at_least}"
    return f"setting {setting.name!r} of {name!r} cannot be {value!r}; give {allowed}"
