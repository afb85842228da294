"""Numbers per image of every table of a benchmark, for pictures and for choosing them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

import numpy as np

from regionwise.benchmark.answers import numbers_of
from regionwise.benchmark.comparing import CONTROLS
from regionwise.benchmark.ledger import read_protocols
from regionwise.benchmark.reading import Rows, Table
from regionwise.benchmark.statistics import Numbers
from regionwise.benchmark.summary import target_of
from regionwise.metrics.card import Direction
from regionwise.metrics.catalog import metrics as known_metrics

UnitKey: TypeAlias = tuple[str, int]
"""An image, and the class that it is held against (-1: none)."""

IGNORANT = frozenset({*CONTROLS, "edges"})
"""Controls: methods whose maps do not know the network."""


def is_control(method: str) -> bool:
    """Whether a method's maps do not know the network."""
    return method.partition(":")[0] in IGNORANT


@dataclass(frozen=True, eq=False)
class PerImage:
    """The numbers of a table.

    Attributes:
        table: whose numbers they are.
        target: which class is explained.
        units: all that some method has a number of.
        numbers: by method, one for each unit; NaN where there is none.
    """

    table: Table
    target: str
    units: tuple[UnitKey, ...]
    numbers: Mapping[str, Numbers]

    def row(self, method: str, units: Sequence[UnitKey]) -> list[float]:
        """Return the numbers of some units, in their order; NaN where there is none."""
        return self._picked(self.numbers[method], units)

    def means(self, units: Sequence[UnitKey]) -> list[float]:
        """Return the means over methods of some units; see :meth:`mean_of_methods`."""
        return self._picked(self.mean_of_methods(), units)

    def mean_of_methods(self) -> Numbers:
        """Return the mean over the methods that know the network, one for each unit.

        Only methods with as many numbers as any of them count: a mean over others on some of the
        images would tell of the methods, not of the images. All NaN if there is no such method.
        """
        known = {m: int(np.isfinite(v).sum()) for m, v in self.numbers.items() if not is_control(m)}
        most = max(known.values(), default=0)
        columns = [self.numbers[m] for m, count in known.items() if count == most and most]
        return np.mean(columns, axis=0) if columns else np.full(len(self.units), np.nan)

    def _picked(self, column: Numbers, units: Sequence[UnitKey]) -> list[float]:
        places = (self._places.get(unit) for unit in units)
        return [np.nan if place is None else float(column[place]) for place in places]

    @cached_property
    def _places(self) -> Mapping[UnitKey, int]:
        return {unit: place for place, unit in enumerate(self.units)}


def direction_of(table: PerImage) -> Direction:
    """Return which way the numbers of a table say that a map is better."""
    card = known_metrics.card(table.table.metric.partition(":")[0])
    return card.direction if card.about_map else "none"


def per_image_of(folder: Path) -> list[PerImage]:
    """Return the numbers of all metrics that have some per image, by the first judge.

    Raises:
        DataError: the folder holds no rows.
    """
    protocols, rows = read_protocols(folder), Rows(folder)
    try:
        judges = {"", rows.plan["recipe"]["judges"][0]}
        found = []
        for table in (table for table in rows.tables() if table.judge in judges):
            scored = [one for one in rows.scored(table) if one.values.values is not None]
            if numbers := numbers_of(scored):
                units = sorted({unit for one in scored for unit in one.units})
                target = target_of(protocols, table.protocol)
                found.append(PerImage(table, target, tuple(units), numbers))
        return found
    finally:
        rows.close()
