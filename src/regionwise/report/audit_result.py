"""What the audit of one prediction found: numbers only, without words or pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from jaxtyping import UInt8

from regionwise.attribution.result import Attribution

Grain: TypeAlias = Literal["cells", "pixels"]
"""What random orders are drawn of: cells of the layer's grid, or single pixels."""


@dataclass(frozen=True)
class Ranked:
    """A class and what the network gives it."""

    index: int
    name: str
    probability: float


@dataclass(frozen=True)
class Curve:
    """A probability as pixels go or come; ``area`` lies under it, a constant has itself as area."""

    levels: tuple[float, ...]
    scores: tuple[float, ...]
    area: float


@dataclass(frozen=True)
class Curves:
    """What one order of the pixels does: deletion and insertion."""

    deletion: Curve
    insertion: Curve


@dataclass(frozen=True)
class Chance:
    """What random orders do, one entry each."""

    grain: Grain
    deletion: tuple[Curve, ...]
    insertion: tuple[Curve, ...]


@dataclass(frozen=True)
class Total:
    """What the values of a map add up to, and what they should.

    Attributes:
        protocol: id of the completeness metric: it says what the sum should be.
        value: the sum.
        gap: what it lacks, relative to what it should be.
        complete: whether that is within the metric's tolerance.
    """

    protocol: str
    value: float
    gap: float
    complete: bool


@dataclass(frozen=True)
class Redrawn:
    """How alike a map stays while the weights are drawn anew, from the output downwards.

    Attributes:
        shares: of layers drawn anew at each stage; the last is 1.
        similarity: rank correlation at each stage, one row for each draw; NaN where the other map
            is blank.
    """

    shares: tuple[float, ...]
    similarity: tuple[tuple[float, ...], ...]

    @property
    def means(self) -> tuple[float, ...]:
        """Mean over the draws at each stage."""
        return tuple(mean_of(column) for column in zip(*self.similarity, strict=True))

    @property
    def last(self) -> tuple[float, ...]:
        """Rank correlation of each draw when all weights are drawn anew, without the blank maps."""
        return tuple(row[-1] for row in self.similarity if math.isfinite(row[-1]))


@dataclass(frozen=True)
class Checked:
    """One method and what the checks say of its map; ``None``: not run, ``missing`` tells why.

    Attributes:
        method: canonical id.
        control: it does not know the network.
        blank: why the map says nothing; empty where it says something.
        grain: the random orders that it is held against.
        curves: deletion and insertion.
        total: what the map adds up to, where the method claims that it does.
        patches: share of influential patches that the map speaks of (``sensitivity``).
        redrawn: against networks with weights drawn anew.
        noisy: rank correlation with the map of each noisy copy.
        missing: by check, why it was not run.
    """

    method: str
    control: bool
    blank: tuple[str, ...]
    grain: Grain
    curves: Curves | None = None
    total: Total | None = None
    patches: float = math.nan
    redrawn: Redrawn | None = None
    noisy: tuple[float, ...] | None = None
    missing: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Contrast:
    """The target against another class.

    Attributes:
        other: the other class.
        attribution: map of the target's lead over it.
        target_curve: the target's probability as the pixels go that speak for the lead.
        other_curve: the other's, on the same pictures.
    """

    other: Ranked
    attribution: Attribution
    target_curve: Curve
    other_curve: Curve


@dataclass(frozen=True)
class Noise:
    """How noisy copies were made, and the target's probability on each."""

    share: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Audit:
    """Everything that was found of one prediction.

    Attributes:
        source: the picture's name.
        image: as the model saw it.
        top: the most probable classes.
        classes: how many there are.
        exclusive: they exclude each other, so that probabilities add up to one.
        target: the class that is explained.
        maps: of the target by each method, by canonical id.
        checked: in the same order.
        chance: random orders, by grain.
        agreement: rank correlation of the maps, in the same order.
        same: pairs of methods whose maps coincide, up to a factor, at least where positive.
        exact: of a head that gives exact contributions, those to the target and to the other class.
        total: whether they add up.
        contrast: the target against another class; ``None`` where there is no other, or no method
            that knows classes.
        noise: how the copies were made.
        metrics: ids of the metrics that were asked.
        provenance: what made the page, as JSON can hold it.
    """

    source: str
    image: UInt8[np.ndarray, "h w 3"]
    top: tuple[Ranked, ...]
    classes: int
    exclusive: bool
    target: Ranked
    maps: Mapping[str, Attribution]
    checked: tuple[Checked, ...]
    chance: Mapping[Grain, Chance]
    agreement: tuple[tuple[float, ...], ...]
    same: tuple[tuple[str, str], ...]
    exact: Attribution | None
    total: Total | None
    contrast: Contrast | None
    noise: Noise
    metrics: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def own(self) -> tuple[Checked, ...]:
        """The methods that are no controls and whose maps say something."""
        return tuple(one for one in self.checked if not one.control and not one.blank)


def mean_of(values: Sequence[float]) -> float:
    """Return the mean of the finite values; NaN where there is none."""
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else math.nan
