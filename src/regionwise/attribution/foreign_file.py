"""A method in a file of the user: a recipe, or what can be called with model, inputs, targets."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from regionwise.attribution.foreign import Foreign, as_maps, classes_of, guarded, together
from regionwise.attribution.foreign_code import run_file
from regionwise.attribution.foreign_names import ForeignName
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import ModelError, SettingError, nearest
from regionwise.evidence.lending import lent
from regionwise.evidence.needs import NEEDS
from regionwise.evidence.probe import Probe
from regionwise.registry import Card, built, settings_of
from regionwise.spelling import given_settings, meant

_SWITCHES: Final = ("class_agnostic", "uses_layer", "differentiable", "planar", "signed")
_TEXTS: Final = ("title", "reference")
_SETS: Final = (set, frozenset, tuple, list)
_FACTS: Final = {
    **dict.fromkeys(_SWITCHES, "True or False"),
    **dict.fromkeys(_TEXTS, "a text"),
    "needs": f"some of {', '.join(map(repr, sorted(NEEDS)))}",
}
"""What a method may say of itself, as a card does, and what it must be."""

_ARGUMENTS: Final = 3
"""What every call gets: model, inputs, targets."""


@dataclass(frozen=True)
class OwnRecipe(Foreign):
    """A subclass of ``Recipe`` in a file."""

    inner: Recipe

    @property
    def exact(self) -> bool:
        """As the recipe says."""
        return self.inner.exact

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask the recipe, and check what it gives: maps n t i j."""
        raw = guarded(f"{self.id!r} failed", self.named.place, lambda: self.inner(probe))
        if not isinstance(raw, RawMaps):
            raise ModelError(f"{self.id!r} gave a {type(raw).__name__}, not RawMaps(maps)")
        lead = (len(probe.inputs), probe.targets.count)
        return RawMaps(as_maps(raw.maps, self.id, lead, probe.inputs), raw.details)


@dataclass(frozen=True)
class Called(Foreign):
    """Whatever can be called: (model, inputs n c h w, targets n) -> maps n i j."""

    call: Callable[..., Any]

    def __call__(self, probe: Probe) -> RawMaps:
        """Call it once for each target, with the model lent to it."""
        columns = classes_of(probe, self.id).to(probe.inputs.device).unbind(dim=1)
        return RawMaps(together([self._maps(probe, column) for column in columns], self.id))

    def _maps(self, probe: Probe, classes: Tensor) -> Tensor:
        fed = probe.inputs.detach().clone(), classes.clone()
        with lent(probe.model):
            found = guarded(
                f"{self.id!r} failed", self.named.place, lambda: self.call(probe.model, *fed)
            )
        if isinstance(found, Tensor):
            found = found.detach()
        return as_maps(found, self.id, (len(classes),), probe.inputs)


def open_file(named: ForeignName) -> Foreign:
    """Return the method that a class or function in a file is.

    Raises:
        ModelError: the file, or the making of the class, fails.
        SettingError: there is no such file, or nothing of this name in it, or no such setting.
    """
    module, digest = run_file(Path(named.place))
    thing = getattr(module, named.name, None)
    if thing is None:
        own = [
            k for k, v in vars(module).items() if getattr(v, "__module__", "") == module.__name__
        ]
        raise SettingError(f"{named.place!r} has no {named.name!r}: {nearest(named.name, own)}")
    if isinstance(thing, type) and issubclass(thing, Recipe):
        return _own_recipe(thing, named, digest)
    if not callable(thing):
        raise SettingError(
            f"{named.text!r} is no method; name a Recipe, or what can be called with model, inputs"
            " and targets"
        )
    return _called(thing, named, digest)


def _own_recipe(kind: type[Recipe], named: ForeignName, digest: str) -> OwnRecipe:
    if not hasattr(kind, "name"):
        kind.name = kind.__name__
    what = f"{named.label!r} cannot be made"
    make = functools.partial(built, kind, named.label, named.settings)
    made: Recipe = guarded(what, named.place, make, passing=SettingError)
    known = settings_of(kind)
    changed = {
        key: value
        for key, value in made.settings.items()
        if not known[key].run_only and value != known[key].default
    }
    facts = {"uses_layer": True, **_facts(made, named)}
    return OwnRecipe(named, _card(named, facts), digest, made.settings, changed, made)


def _called(thing: Any, named: ForeignName, digest: str) -> Called:
    defaults, takes_any = _parameters(thing)
    known = [i.partition("=")[0] for i in named.settings.split(",")] if takes_any else defaults
    given = given_settings(named.label, named.settings, known)
    values = {key: meant(text, defaults.get(key)) for key, text in given.items()}
    call, subject = functools.partial(thing, **values), thing
    if isinstance(thing, type):
        call = subject = guarded(f"{named.label!r} cannot be made", named.place, call)
        if not callable(call):
            raise SettingError(f"{named.label!r} cannot be called; give it a method __call__")
    facts = {"uses_layer": False, **_facts(subject, named)}
    facts |= {"planar": True, "differentiable": False, "needs": frozenset[str]()}
    changed = {k: v for k, v in values.items() if k not in defaults or v != defaults[k]}
    return Called(named, _card(named, facts), digest, defaults, changed, call)


def _parameters(thing: Any) -> tuple[dict[str, Any], bool]:
    """Return the settings that a callable takes, with defaults, and whether it takes any other."""
    try:
        parameters = list(inspect.signature(thing).parameters.values())
    except (TypeError, ValueError):
        return {}, True
    own = parameters if isinstance(thing, type) else parameters[_ARGUMENTS:]
    settings = {
        p.name: None if p.default is p.empty else p.default
        for p in own
        if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    }
    return settings, any(p.kind == p.VAR_KEYWORD for p in parameters)


def _facts(subject: Any, named: ForeignName) -> dict[str, Any]:
    """Return what a method says of itself: attributes that are named as the fields of a card.

    Raises:
        SettingError: one is of the wrong kind.
    """
    facts: dict[str, Any] = {}
    for key, allowed in _FACTS.items():
        said = inspect.getattr_static(subject, key, None)
        if said is None or said is inspect.getattr_static(Recipe, key, None):
            continue
        value = getattr(subject, key)
        wrong = not isinstance(value, bool if key in _SWITCHES else str if key in _TEXTS else _SETS)
        if wrong or (key == "needs" and not frozenset(value) <= NEEDS):
            raise SettingError(f"{key!r} of {named.label!r} cannot be {value!r}; give {allowed}")
        facts[key] = frozenset(value) if key == "needs" else value
    return facts


def _card(named: ForeignName, facts: dict[str, Any]) -> Card:
    texts = {"title": named.name, "reference": Path(named.place).name}
    return Card(
        name=named.label, recipe=named.text, formula="", summary="", passes="", **(texts | facts)
    )
