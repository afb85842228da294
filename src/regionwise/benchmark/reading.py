"""Reading the rows of a benchmark back, by DuckDB, into the values that metrics gave."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from regionwise.benchmark.blocks import EXTRA, PIXELS, values_of
from regionwise.benchmark.ledger import COST, ROWS, finished, read_plan
from regionwise.benchmark.row_files import check_rows
from regionwise.benchmark.rows import check_installed
from regionwise.errors import DataError
from regionwise.metrics.recipe import Values

Columns = dict[str, NDArray[Any]]

_SCORED: Final = """
    select method, statistic, image, against, level, value, cell from rows
    where metric = ? and protocol = ? and model_hash = ? and judge = ? and error is null
    order by method, statistic, image, against, level
"""


@dataclass(frozen=True)
class Table:
    """What one metric, under one protocol, of one model and one judge, is a table of."""

    metric: str
    protocol: str
    model: str
    model_hash: str
    judge: str


@dataclass(frozen=True, eq=False)
class Scored:
    """One method in a table: its values, and of which units (image, held against)."""

    method: str
    units: tuple[tuple[str, int], ...]
    values: Values

    @cached_property
    def places(self) -> dict[tuple[str, int], int]:
        """The place of each unit."""
        return {unit: place for place, unit in enumerate(self.units)}

    def on(self, units: Sequence[tuple[str, int]]) -> Values:
        """Return the values of these units, in their order."""
        return picked(self.values, np.array([self.places[unit] for unit in units], dtype=np.int64))


def picked(values: Values, places: NDArray[np.int64]) -> Values:
    """Return the values of images by place; one may come several times."""
    index = torch.from_numpy(places)
    return Values(
        None if values.values is None else values.values[index],
        {name: curve[index] for name, curve in values.curves.items()},
        values.levels,
        {name: column[index] for name, column in values.extras.items()},
    )


class Rows:
    """The rows of the chunks of a folder's plan that are done; others are not looked at."""

    def __init__(self, folder: Path) -> None:
        check_installed()
        import duckdb  # noqa: PLC0415 - the extra

        self.plan = read_plan(folder)
        ids = [name for name in self.plan["chunks"] if name in finished(folder)]
        if not ids:
            raise DataError(f"{str(folder)!r} holds no rows yet; run the benchmark first")
        self.done, self.planned = len(ids), len(self.plan["chunks"])
        self._folder = folder
        self._db = duckdb.connect(":memory:", config={"threads": 2})
        files = [folder / ROWS / f"{name}.parquet" for name in ids]
        costs = sorted((folder / COST).glob("[!.]*.parquet"))
        check_rows([*files, *costs])
        self._view("rows", files)
        self._view("cost", costs or files[:1])
        self._check_known()

    def close(self) -> None:
        """Let the files go."""
        self._db.close()

    def tables(self) -> list[Table]:
        """Return what there are tables of."""
        query = (
            "select distinct metric, protocol, model, model_hash, judge from rows"
            " where error is null order by all"
        )
        return [Table(*row) for row in self._asked(query).fetchall()]

    def errors(self) -> list[tuple[str, str, str, int]]:
        """Return method, metric (empty: all), reason, and how many images it befell."""
        query = (
            "select method, metric, error, count(distinct image) from rows"
            " where error is not null group by all order by all"
        )
        return [tuple(row) for row in self._asked(query).fetchall()]

    def cost(self) -> dict[tuple[str, str], dict[str, float]]:
        """Return, by model and method, the median of seconds and of work over pictures."""
        query = (
            "select model, method, protocol, statistic, median(value) from cost"
            " where metric = 'cost' group by all"
        )
        content = {
            (used["source"], source["id"]): source["content"]
            for used in self.plan["models"]
            for source in used.get("sources", [])
        }
        found: dict[tuple[str, str], dict[str, float]] = {}
        for model, method, made_of, statistic, value in self._asked(query).fetchall():
            if made_of != content.get((model, method), ""):
                continue  # of a file that was changed since
            found.setdefault((model, method), {})[statistic.removeprefix(EXTRA)] = value
        return found

    def scored(self, table: Table) -> list[Scored]:
        """Return the methods of a table with their values; images are sorted by name."""
        columns: Columns = self._asked(_SCORED, _key(table)).fetchnumpy()
        try:
            return [_scored(name, part) for name, part in _parts(columns, "method")]
        except ValueError as error:
            raise DataError(
                f"rows of {table.metric!r} in {str(self._folder)!r} are damaged: {error}; remove"
                " them and run the same command"
            ) from error

    def _check_known(self) -> None:
        """Refuse rows of what the plan does not name.

        Raises:
            DataError: says of what they are.
        """
        known = {(one["source"], name) for one in self.plan["models"] for name in _methods(one)}
        judges = {"", *self.plan["recipe"]["judges"]}
        query = "select distinct model, method, judge from rows order by all"
        for model, method, judge in self._asked(query).fetchall():
            if (model, method) not in known or judge not in judges:
                raise DataError(
                    f"{str(self._folder)!r} holds rows of {method!r} on {model!r}, judged by"
                    f" {judge!r}, which its plan does not name; run the benchmark anew in another"
                    " folder"
                )

    def _view(self, name: str, files: Sequence[Path]) -> None:
        # DuckDB takes paths for patterns: of b[1]/x.parquet it would read b1/x.parquet
        plain = [re.sub(r"[\[*?]", r"[\g<0>]", str(path)) for path in files]
        listed = ", ".join("'" + path.replace("'", "''") + "'" for path in plain)
        # a view takes no parameters; the names are ours, and quotes in the paths are doubled
        self._asked(f"create view {name} as select * from read_parquet([{listed}])")  # noqa: S608

    def _asked(self, query: str, values: Sequence[str] = ()) -> Any:
        """Run a query.

        Raises:
            DataError: a file of rows is damaged.
        """
        import duckdb  # noqa: PLC0415 - the extra

        try:
            return self._db.execute(query, list(values))
        except duckdb.Error as error:
            reason = " ".join(str(error).split())[:300]
            raise DataError(
                f"rows in {str(self._folder)!r} cannot be read ({reason}); remove the damaged file"
                " and run the same command"
            ) from error


def _methods(used: dict[str, Any]) -> list[str]:
    return [name for names in used["methods"].values() for name in names]


def _key(table: Table) -> list[str]:
    return [table.metric, table.protocol, table.model_hash, table.judge]


def _parts(columns: Columns, by: str) -> Iterator[tuple[str, Columns]]:
    """Yield the rows of each value of a column that is sorted."""
    keys = np.asarray(columns[by], dtype=object)
    edges = [0, *(np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist(), len(keys)]
    for start, stop in pairwise(edges):
        if start < stop:
            yield str(keys[start]), {name: column[start:stop] for name, column in columns.items()}


def _scored(method: str, columns: Columns) -> Scored:
    numbers: dict[str, NDArray[np.float64]] = {}
    levels: dict[str, tuple[float, ...]] = {}
    cells: list[bytes] = []
    parts = {name: (_units(part), part) for name, part in _parts(columns, "statistic")}
    units = max((found for found, _ in parts.values()), key=len)
    for statistic, (own, part) in parts.items():
        if statistic == PIXELS:
            cells = [bytes(cell) for cell in part["cell"]]
        if statistic == PIXELS or len(own) < len(units):
            continue  # rows of an earlier version lack what was added since
        numbers[statistic], levels[statistic] = _grid(statistic, part, len(units))
    return Scored(method, units, values_of(numbers, levels, cells))


def _grid(
    statistic: str, part: Columns, units: int
) -> tuple[NDArray[np.float64], tuple[float, ...]]:
    """Return numbers, units x levels, and the levels, which rise and are those of every unit.

    Raises:
        ValueError: a row is missing, or is there twice.
    """
    level, width = _filled(part["level"]), len(part["value"]) // units
    first = level[:width]
    same = len(level) == units * width and np.array_equal(
        level.reshape(units, width), np.broadcast_to(first, (units, width)), equal_nan=True
    )
    if not same or (width > 1 and not (np.diff(first) > 0).all()):
        raise ValueError(f"of {statistic!r}, rows are missing or there twice")
    return _filled(part["value"]).reshape(units, width), tuple(first.tolist())


def _units(part: Columns) -> tuple[tuple[str, int], ...]:
    names = zip(part["image"].tolist(), part["against"].tolist(), strict=True)
    return tuple(dict.fromkeys((str(image), int(other)) for image, other in names))


def _filled(column: Any) -> NDArray[np.float64]:
    return np.array(np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan))
