"""Mean curves over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import Tensor

from regionwise.benchmark.ledger import read_protocols
from regionwise.benchmark.reading import Rows, Scored, Table
from regionwise.benchmark.summary import target_of
from regionwise.metrics.recipe import Values
from regionwise.metrics.remove_and_classify import accuracy_ratio

SHOWN: Final = ("score", "morf", "lerf", "overlap", "similarity")
"""Curves that are worth a picture as they are."""

RATIO: Final = "R_k"
"""What accuracies are shown as: divided by that without as many pixels by chance (CALM)."""


@dataclass(frozen=True)
class Curves:
    """The mean curve of each method by one metric, at the same levels.

    ``images`` are how many the means are over, at most.
    """

    table: Table
    target: str
    name: str
    levels: tuple[float, ...]
    means: dict[str, tuple[float, ...]]
    images: int


def curves_of(folder: Path) -> list[Curves]:
    """Return the mean curves of all metrics that have some.

    Raises:
        DataError: the folder holds no rows.
    """
    protocols, rows = read_protocols(folder), Rows(folder)
    try:
        found = []
        for table in rows.tables():
            scored = [one for one in rows.scored(table) if one.values.curves]
            target = target_of(protocols, table.protocol)
            for name in _names(scored):
                means = {one.method: tuple(_mean(one.values, name).tolist()) for one in scored}
                levels, images = scored[0].values.levels, max(len(one.units) for one in scored)
                found.append(Curves(table, target, name, levels, means, images))
        return found
    finally:
        rows.close()


def _names(scored: Sequence[Scored]) -> list[str]:
    """Return the curves that all methods have and that are shown."""
    shared = set(SHOWN).intersection(*(one.values.curves for one in scored)) if scored else set()
    ratio = scored and all({"hits", "scattered"} <= set(one.values.curves) for one in scored)
    return [*(name for name in SHOWN if name in shared), *([RATIO] if ratio else [])]


def _mean(values: Values, name: str) -> Tensor:
    if name == RATIO:
        return accuracy_ratio(values.curves["hits"], values.curves["scattered"])
    return values.curves[name].nanmean(dim=0)
