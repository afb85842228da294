"""What a metric is: a frozen dataclass that asks a case for evidence and calls one formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from regionwise.errors import InputError
from regionwise.metrics.card import MetricCard
from regionwise.metrics.case import Case
from regionwise.metrics.catalog import metrics
from regionwise.registry import canonical_id, check_settings, named


@dataclass(frozen=True, eq=False)
class Values:
    """What a metric says about a batch.

    Attributes:
        values: the number of each image, n; NaN where it is undefined. ``None`` where one image
            alone has no number.
        curves: numbers at each of ``levels``, n s, by name.
        levels: what the columns of a curve belong to, s: shares of pixels, or thresholds.
        extras: other sufficient statistics, an entry per image along the first axis.
    """

    values: Float[Tensor, " n"] | None = None
    curves: Mapping[str, Float[Tensor, "n s"]] = field(default_factory=dict)
    levels: tuple[float, ...] = ()
    extras: Mapping[str, Shaped[Tensor, "n ..."]] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of images."""
        columns = [*self.curves.values(), *self.extras.values()]
        return len(self.values) if self.values is not None else len(columns[0])


def joined(batches: Sequence[Values]) -> Values:
    """Put the values of several batches behind each other.

    Raises:
        InputError: there are none, or they are of different levels or kinds.
    """
    if not batches:
        raise InputError("there are no values to reduce; run the metric on a batch first")
    first = batches[0]
    forms = {(b.levels, b.values is None, *sorted((*b.curves, *b.extras))) for b in batches}
    if len(forms) > 1:
        raise InputError("values of different metrics, or levels, cannot be reduced together")
    given = [b.values for b in batches if b.values is not None]
    return Values(
        torch.cat(given) if given else None,
        {name: torch.cat([b.curves[name] for b in batches]) for name in first.curves},
        first.levels,
        {name: torch.cat([b.extras[name] for b in batches]) for name in first.extras},
    )


@dataclass(frozen=True)
class Metric(ABC):
    """A metric with its settings. Subclasses are final; they add fields, a name and ``measure``."""

    name: ClassVar[str]

    def __post_init__(self) -> None:
        check_settings(self, self.name)

    @property
    def id(self) -> str:
        """The canonical id: the name and the settings that differ from their defaults."""
        return canonical_id(self.name, self)

    @property
    def card(self) -> MetricCard:
        """The metric's card."""
        return metrics.card(self.name)

    @final
    def __call__(self, case: Case) -> Values:
        """Measure one batch.

        Raises:
            InputError: the case lacks what the metric needs.
        """
        for part in sorted(self.card.needs):
            case.need(part)
        return self.measure(case)

    @abstractmethod
    def measure(self, case: Case) -> Values:
        """Ask the case for evidence and call the formula."""

    @final
    def reduce(self, batches: Sequence[Values]) -> dict[str, float]:
        """Make one answer of all batches: numbers by name, the main one named ``value``."""
        found: dict[str, float] = named(self.card.reducer)(self, joined(batches))
        return found
