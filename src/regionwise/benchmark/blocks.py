"""Blocks of rows: what one method says by one metric of some images, before it is a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regionwise.metrics.average_precision import pixel_counts
from regionwise.metrics.pixel_metrics import COUNTS
from regionwise.metrics.recipe import Values

VALUE: Final = "value"
ERROR: Final = "error"
CURVE: Final = "curve:"
EXTRA: Final = "extra:"
PIXELS: Final = "pixels"

WIDE: Final = 64
"""Statistics of more numbers per image than this are packed into one cell."""

_BITS: Final = 9
"""Significant bits to which the scores of packed pixels are rounded."""


@dataclass(frozen=True)
class Key:
    """What all rows of a block have in common.

    ``judge`` is empty where the metric asks none, ``metric`` where a method failed as a whole.
    """

    model: str
    model_hash: str
    method: str
    metric: str
    protocol: str
    judge: str
    seed: int


@dataclass(frozen=True)
class Who:
    """Which images a block is of: their names, what was explained, and held against (-1: none)."""

    images: tuple[str, ...]
    targets: tuple[int, ...]
    against: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Block:
    """Numbers of some images: ``values`` (n s) at ``levels`` (s), or packed ``cells`` (n).

    ``statistic`` is ``value``, ``curve:NAME``, ``extra:NAME``, ``pixels``, or ``error``.
    """

    key: Key
    who: Who
    statistic: str
    levels: tuple[float, ...]
    values: NDArray[np.float64]
    cells: tuple[bytes, ...] | None = None
    error: str = ""


def blocks_of(key: Key, who: Who, values: Values) -> Iterator[Block]:
    """Take the values of a batch apart; :func:`values_of` puts them together again.

    Scores and labels of pixels are packed as counts by score, rounded to 9 significant bits: a
    relative error of at most 0.2 %, so that equal ranks are few and an archive stays small.
    """
    if values.values is not None:
        yield Block(key, who, VALUE, (np.nan,), _table(values.values[:, None]))
    for name, curve in values.curves.items():
        yield Block(key, who, CURVE + name, values.levels, _table(curve))
    extras = dict(values.extras)
    if {"scores", "labels"} <= set(extras):
        scores, labels = extras.pop("scores"), extras.pop("labels")
        cells = tuple(packed(s, label) for s, label in zip(scores, labels, strict=True))
        empty = np.full((len(cells), 1), np.nan)
        yield Block(key, who, PIXELS, (np.nan,), empty, cells)
    for name, column in extras.items():
        flat = _table(column.reshape(len(column), -1))
        levels = (np.nan,) if column.dim() == 1 else tuple(float(i) for i in range(flat.shape[1]))
        yield Block(key, who, EXTRA + name, levels, flat)


def values_of(
    columns: dict[str, NDArray[np.float64]],
    levels: dict[str, tuple[float, ...]],
    cells: Sequence[bytes] = (),
) -> Values:
    """Put together what :func:`blocks_of` took apart: numbers (n s) and levels by statistic."""
    curves = {n.removeprefix(CURVE): c for n, c in columns.items() if n.startswith(CURVE)}
    extras = {
        n.removeprefix(EXTRA): torch.from_numpy(c[:, 0] if np.isnan(levels[n]).all() else c)
        for n, c in columns.items()
        if n.startswith(EXTRA)
    }
    if cells:
        extras[COUNTS] = _side_by_side([unpacked(cell) for cell in cells])
    own = columns.get(VALUE)
    return Values(
        None if own is None else torch.from_numpy(own[:, 0]),
        {name: torch.from_numpy(curve) for name, curve in curves.items()},
        next((levels[CURVE + name] for name in curves), ()),
        extras,
    )


def packed(scores: Tensor, labels: Tensor) -> bytes:
    """Return scores and how many pixels in and outside the region have each, as bytes."""
    rounded = _rounded(scores.detach().cpu().double().numpy().ravel())
    counts = pixel_counts(rounded, labels.cpu().numpy().ravel())
    table = np.stack([counts.values, counts.positives, counts.negatives])
    return table.astype("<f4").tobytes()


def unpacked(cell: bytes) -> NDArray[np.float32]:
    """Return what :func:`packed` took: scores, pixels in the region and outside it, 3 v."""
    return np.frombuffer(cell, "<f4").reshape(3, -1)


def _side_by_side(tables: Sequence[NDArray[np.float32]]) -> Tensor:
    """Return tables of different width as one tensor n 3 v; the shorter end in scores of none."""
    found = np.zeros((len(tables), 3, max(table.shape[1] for table in tables)), np.float32)
    for row, table in zip(found, tables, strict=True):
        row[:, : table.shape[1]] = table
    return torch.from_numpy(found)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    mantissa, exponent = np.frexp(values)
    return np.asarray(np.ldexp(np.round(mantissa * 2**_BITS) / 2**_BITS, exponent))


def _table(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.detach().cpu().double().numpy()
