"""Which pictures to show: the best, the worst, and typical ones, by a metric of all methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final, Literal

import numpy as np

from regionwise.benchmark.per_image import PerImage, UnitKey
from regionwise.benchmark.samples import in_order

Why = Literal["worst", "best", "typical", "sample"]

_TURNS: Final[tuple[Why, ...]] = ("worst", "best", "typical")


@dataclass(frozen=True)
class Shown:
    """A unit that is shown, and why; ``value`` is the mean over methods and models, NaN unknown."""

    unit: UnitKey
    why: Why
    value: float


def cases_of(tables: Sequence[PerImage], count: int, seed: int, *, higher: bool) -> list[Shown]:
    """Return up to ``count`` units: in turn one of the worst, of the best, and a typical one.

    A unit is as good as the mean over the methods that know the network, and over ``tables`` (one
    for each model); typical is what lies nearest to the median. Of equal ones the first in the
    sample's random order is taken; no picture comes twice. They come from the worst to the best.
    """
    values = _values(tables)
    names = [f"{image} {against}" for image, against in values]
    order = in_order(list(values), names, seed)
    sign = 1.0 if higher else -1.0
    rising = sorted(order, key=lambda unit: sign * values[unit])
    middle = float(np.median(list(values.values()))) if values else 0.0
    near = sorted(order, key=lambda unit: abs(values[unit] - middle))
    queues = {"worst": rising, "best": rising[::-1], "typical": near}
    found: dict[str, Shown] = {}
    pictures = len({image for image, _ in values})
    for why in cycle(_TURNS):
        if len(found) == min(count, pictures):
            break
        unit = next(unit for unit in queues[why] if unit[0] not in found)
        found[unit[0]] = Shown(unit, why, values[unit])
    return sorted(found.values(), key=lambda one: sign * one.value)


def first_of(units: Sequence[UnitKey], count: int, seed: int) -> list[Shown]:
    """Return the first units of the sample's random order, where no number chooses."""
    order = in_order(units, [f"{image} {against}" for image, against in units], seed)
    found: dict[str, Shown] = {}
    for unit in order:
        found.setdefault(unit[0], Shown(unit, "sample", float("nan")))
    return list(found.values())[:count]


def _values(tables: Sequence[PerImage]) -> Mapping[UnitKey, float]:
    """Return the mean over tables of each unit that has a finite number."""
    seen: dict[UnitKey, list[float]] = {}
    for table in tables:
        for unit, value in zip(table.units, table.mean_of_methods().tolist(), strict=True):
            if np.isfinite(value):
                seen.setdefault(unit, []).append(value)
    return {unit: float(np.mean(values)) for unit, values in seen.items()}
