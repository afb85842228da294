"""What all methods that are not ours have in common: a card made on the spot, and distrust."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
import torch
from torch import Tensor

from regionwise.attribution.foreign_names import ForeignName
from regionwise.attribution.recipe import Origin, Recipe
from regionwise.errors import ModelError, TargetError
from regionwise.evidence.probe import Probe
from regionwise.registry import Card
from regionwise.shapes import TargetIndices
from regionwise.spelling import with_settings

T = TypeVar("T")


@dataclass(frozen=True)
class Foreign(Recipe):
    """A method that is not ours.

    Attributes:
        named: as it was written.
        facts: its card.
        content: a digest of what it was read from.
        defaults: its settings by name.
        changed: those that were given, and are not the default.
    """

    name: ClassVar[str] = "foreign"
    named: ForeignName
    facts: Card
    content: str
    defaults: Mapping[str, Any]
    changed: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Check nothing: that was done when the method was opened."""

    @property
    def id(self) -> str:
        """File and name, or folder, without the path; and the settings that are not the default."""
        return with_settings(self.facts.name, self.changed)

    @property
    def card(self) -> Card:
        """A card from what the method says of itself."""
        return self.facts

    @property
    def origin(self) -> Origin:
        """Where it was read from."""
        place = str(Path(self.named.place).resolve()) if self.named.place else ""
        return Origin(self.named.text, place, self.content)

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings by name."""
        return {**self.defaults, **self.changed}


def guarded(
    what: str,
    file: str,
    action: Callable[[], T],
    *,
    passing: type[Exception] = torch.OutOfMemoryError,
) -> T:
    """Run code that is not ours; whatever it raises is told in one line, with the line in ``file``.

    ``passing`` is let through; memory that runs out is, for fewer images may do.

    Raises:
        ModelError: it failed.
    """
    try:
        return action()
    except passing:
        raise
    except Exception as error:
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
        where = f" (line {lines[-1]})" if lines else ""
        said = " ".join(str(error).split())[:300]
        raise ModelError(f"{what}{where}: {type(error).__name__}: {said}") from error


def as_maps(found: Any, label: str, lead: tuple[int, ...], like: Tensor) -> Tensor:
    """Return what a method gave as maps of shape (``lead``, i, j), of the type of ``like``.

    Raises:
        ModelError: it has another shape, or is no number, or not finite.
    """
    numbers = isinstance(found, np.ndarray) and found.dtype.kind in "fiub"
    maps = torch.from_numpy(np.array(found, order="C")) if numbers else found
    if not isinstance(maps, Tensor) or maps.is_complex():
        kind = (
            f"{type(found).__name__} of {found.dtype}" if hasattr(found, "dtype") else repr(found)
        )
        raise ModelError(
            f"{label!r} gave {kind[:80]}, not maps: a tensor or an array of real numbers"
        )
    fits = maps.dim() == len(lead) + 2 and tuple(maps.shape[:-2]) == lead
    if not fits or 0 in maps.shape:
        wanted = ", ".join([*map(str, lead), "rows", "columns"])
        raise ModelError(f"{label!r} gave maps of shape {tuple(maps.shape)}, not ({wanted})")
    maps = maps.to(like.device) if maps.is_floating_point() else maps.to(like)
    broken = ~torch.isfinite(maps).flatten(1).all(dim=1)
    if broken.any():
        raise ModelError(
            f"{label!r} gave NaN or infinity in the map of image {int(broken.nonzero()[0])}"
        )
    return maps.to(like.dtype)


def classes_of(probe: Probe, label: str) -> TargetIndices:
    """Return the classes to explain, n t.

    Raises:
        TargetError: a score function, or a class against another, is explained.
    """
    if probe.targets.indices is None:
        raise TargetError(
            f"{label!r} explains classes, not a score function or a class against another; give"
            " targets=[[a, b]] and subtract the maps"
        )
    return probe.targets.indices


def together(maps: list[Tensor], label: str) -> Tensor:
    """Put the maps n i j of several targets beside each other, n t i j.

    Raises:
        ModelError: they differ in shape.
    """
    if len({tuple(m.shape) for m in maps}) > 1:
        raise ModelError(f"{label!r} gave maps of another shape for another class")
    return torch.stack(maps, dim=1)
