"""Rows as a table: one number each, with the key that says whose it is."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from regionwise.benchmark.blocks import Block
from regionwise.errors import SettingError

if TYPE_CHECKING:
    import pyarrow as pa

KEY: Final = (
    "dataset",
    "split",
    "image",
    "against",
    "target",
    "model_hash",
    "method",
    "metric",
    "protocol",
    "statistic",
    "level",
    "seed",
    "judge",
)
"""The columns that name a row; ``level`` is empty where there is only one."""

_NEEDED: Final = ("pyarrow", "duckdb")


def check_installed() -> None:
    """Refuse to benchmark without the extra.

    Raises:
        SettingError: says how to install it.
    """
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise SettingError(
            f"a benchmark needs {' and '.join(missing)}; install with:"
            " pip install 'regionwise[benchmark]'"
        )


def table_of(blocks: Sequence[Block], dataset: str, split: str) -> pa.Table:
    """Return the rows of blocks, in their order: a number, a packed cell, or an error each."""
    import pyarrow as pa  # noqa: PLC0415 - the extra

    schema = schema_of_rows(pa)
    tables = [pa.table(_columns(pa, block, dataset, split), schema=schema) for block in blocks]
    return pa.concat_tables(tables) if tables else schema.empty_table()


def schema_of_rows(pa: Any) -> Any:
    """Return the columns of rows, and what each holds; ``pa`` is pyarrow."""
    text = pa.dictionary(pa.int32(), pa.string())
    kinds = {"against": pa.int32(), "target": pa.int32(), "level": pa.float64(), "seed": pa.int64()}
    fields = [(name, kinds.get(name, text)) for name in KEY]
    more = [("model", text), ("value", pa.float64()), ("cell", pa.binary()), ("error", text)]
    return pa.schema([*fields, *more])


def _columns(pa: Any, block: Block, dataset: str, split: str) -> dict[str, Any]:
    n, s = block.values.shape
    total = n * s
    key, who = block.key, block.who
    same = {
        "dataset": dataset,
        "split": split,
        "model_hash": key.model_hash,
        "method": key.method,
        "metric": key.metric,
        "protocol": key.protocol,
        "statistic": block.statistic,
        "judge": key.judge,
        "model": key.model,
        "error": block.error or None,
    }
    columns = {name: _repeated(pa, value, total) for name, value in same.items()}
    places = np.repeat(np.arange(n, dtype=np.int32), s)
    columns["image"] = pa.DictionaryArray.from_arrays(
        pa.array(places), pa.array(list(who.images), pa.string())
    )
    columns["against"] = pa.array(np.repeat(np.array(who.against, dtype=np.int32), s))
    columns["target"] = pa.array(np.repeat(np.array(who.targets, dtype=np.int32), s))
    columns["seed"] = pa.array(np.full(total, key.seed, dtype=np.int64))
    levels = np.tile(np.array(block.levels, dtype=np.float64), n)
    columns["level"] = pa.array(levels, from_pandas=True)
    columns["value"] = pa.array(block.values.ravel(), pa.float64())
    cells = [None] * total if block.cells is None else list(block.cells)
    columns["cell"] = pa.array(cells, pa.binary())
    return columns


def _repeated(pa: Any, value: str | None, total: int) -> Any:
    places = pa.array(np.zeros(total, dtype=np.int32), mask=np.full(total, value is None))
    return pa.DictionaryArray.from_arrays(places, pa.array([value or ""], pa.string()))
