"""Mean curves over images, and numbers per image, for pictures of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from regionwise.benchmark.answers import numbers_of
from regionwise.benchmark.reading import Rows, Table

SHOWN: Final = ("score", "hits", "morf", "lerf", "overlap", "similarity")
"""Curves that are worth a picture."""


@dataclass(frozen=True)
class Curves:
    """The mean curve of each method by one metric, at the same levels."""

    table: Table
    name: str
    levels: tuple[float, ...]
    means: dict[str, tuple[float, ...]]


def curves_of(folder: Path) -> list[Curves]:
    """Return the mean curves of all metrics that have some.

    Raises:
        DataError: the folder holds no rows.
    """
    rows = Rows(folder)
    try:
        found = []
        for table in rows.tables():
            scored = [one for one in rows.scored(table) if one.values.curves]
            names = scored[0].values.curves if scored else ()
            for name in (n for n in names if n in SHOWN):
                means = {
                    one.method: tuple(one.values.curves[name].nanmean(dim=0).tolist())
                    for one in scored
                }
                found.append(Curves(table, name, scored[0].values.levels, means))
        return found
    finally:
        rows.close()


def numbers_by_image(folder: Path, images: list[str]) -> dict[str, dict[str, list[float]]]:
    """Return, by metric and method, the numbers of these images; NaN where there is none.

    Of metrics that hold a class against another, and of judges beside the first, nothing.
    """
    rows = Rows(folder)
    try:
        judges = {"", rows.plan["recipe"]["judges"][0]}
        found: dict[str, dict[str, list[float]]] = {}
        for table in rows.tables():
            scored = [one for one in rows.scored(table) if one.values.values is not None]
            units = sorted({unit for one in scored for unit in one.units})
            places = {image: p for p, (image, against) in enumerate(units) if against < 0}
            if table.judge not in judges or not places:
                continue
            for method, numbers in numbers_of(scored).items():
                row = [float(numbers[places[i]]) if i in places else float("nan") for i in images]
                found.setdefault(table.metric, {})[method] = row
        return found
    finally:
        rows.close()
