"""What a method is: a frozen dataclass that asks a probe for evidence and calls one formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from regionwise.attribution.catalog import methods
from regionwise.evidence.probe import Probe
from regionwise.registry import canonical_id, check_settings
from regionwise.shapes import Maps


@dataclass(frozen=True)
class RawMaps:
    """What a recipe gives: signed maps n t i j, and what it decided on the way."""

    maps: Maps
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe(ABC):
    """A method with its settings. Subclasses are final; they add fields, a name, ``__call__``."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        check_settings(self, self.name)

    @property
    def id(self) -> str:
        """The canonical id: the name and the settings that differ from their defaults."""
        return canonical_id(self.name, self)

    @property
    def needs(self) -> frozenset[str]:
        """Evidence to prepare for, from the method's card."""
        return methods.card(self.name).needs

    @property
    def signed(self) -> bool:
        """Whether negative values speak against the target, from the method's card."""
        return methods.card(self.name).is_signed(self)

    @property
    def planar(self) -> bool:
        """Whether images can be explained, but no volumes: from the card, or by a setting."""
        given = [f.name for f in fields(self) if f.metadata.get("planar") and getattr(self, f.name)]
        return methods.card(self.name).planar or bool(given)

    @property
    def exact(self) -> bool:
        """Whether the cells of a map add up to its class's probability, as the head is read."""
        return False

    @abstractmethod
    def __call__(self, probe: Probe) -> RawMaps:
        """Ask the probe for evidence and call the formula."""
