"""What a method is: a frozen dataclass that asks a probe for evidence and calls one formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

from regionwise.attribution.catalog import methods
from regionwise.evidence.probe import Probe
from regionwise.registry import Card, canonical_id, check_settings
from regionwise.shapes import Maps


@dataclass(frozen=True)
class RawMaps:
    """What a recipe gives: signed maps n t i j, and what it decided on the way."""

    maps: Maps
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Origin:
    """Where a method is from that is not ours; of ours all is empty.

    Attributes:
        text: what names it anywhere, with the whole path of its file or folder.
        place: that file or folder.
        content: a digest of what lies there: its results depend on it.
        lacks: parts of a metric's case that it cannot serve, and why.
    """

    text: str = ""
    place: str = ""
    content: str = ""
    lacks: Mapping[str, str] = field(default_factory=dict)


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
    def card(self) -> Card:
        """The method's card."""
        return methods.card(self.name)

    @property
    def origin(self) -> Origin:
        """Where the method is from, if it is not ours."""
        return Origin()

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings by name, defaults included."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    @property
    def needs(self) -> frozenset[str]:
        """Evidence to prepare for, from the method's card."""
        return self.card.needs

    @property
    def signed(self) -> bool:
        """Whether negative values speak against the target, from the method's card."""
        return self.card.is_signed(self)

    @property
    def planar(self) -> bool:
        """Whether images can be explained, but no volumes: from the card, or by a setting."""
        given = [f.name for f in fields(self) if f.metadata.get("planar") and getattr(self, f.name)]
        return self.card.planar or bool(given)

    @property
    def exact(self) -> bool:
        """Whether the cells of a map add up to its class's probability, as the head is read."""
        return False

    def about(self, images: Sequence[str]) -> Recipe:  # noqa: ARG002 - few need to know
        """Return the method for a batch of the images with these names."""
        return self

    @abstractmethod
    def __call__(self, probe: Probe) -> RawMaps:
        """Ask the probe for evidence and call the formula."""
