"""Exact contributions in words: which regions hold how much, and where two classes differ."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import TargetError


@dataclass(frozen=True)
class Regions:
    """The strongest cells of one class in one image.

    Attributes:
        cells: (row, column) of each, strongest first.
        values: p(c, z | x) of each.
        probability: p(c | x), the sum over all cells.
        size: rows and columns of the map.
    """

    cells: tuple[tuple[int, int], ...]
    values: tuple[float, ...]
    probability: float
    size: tuple[int, int]

    @property
    def total(self) -> int:
        """Number of cells of the map."""
        return self.size[0] * self.size[1]

    @property
    def held(self) -> float:
        """What these cells hold together."""
        return sum(self.values)

    @property
    def share(self) -> float:
        """Their part of the class probability, in [0, 1]."""
        return self.held / self.probability if self.probability > 0 else 0.0

    def __str__(self) -> str:
        """Say it in words."""
        hold = "hold" if len(self.cells) != 1 else "holds"
        return (
            f"{len(self.cells)} of {self.total} regions {hold} {self.share:.1%}"
            f" of the {self.probability:.1%}"
        )


@dataclass(frozen=True)
class Band:
    """Some cells of one sign that follow one another in strength.

    Attributes:
        first: rank of the strongest, from 1.
        cells: (row, column) of each.
        values: p(a, z | x) - p(b, z | x) of each.
        share: their sum as a part of the whole difference p(a | x) - p(b | x); it may exceed 1,
            and is NaN where the whole is zero.
    """

    first: int
    cells: tuple[tuple[int, int], ...]
    values: tuple[float, ...]
    share: float

    @property
    def sum(self) -> float:
        """What these cells contribute to the difference."""
        return sum(self.values)

    @property
    def ranks(self) -> str:
        """From which rank to which, for reading."""
        return f"{self.first}-{self.first + len(self.cells) - 1}"

    @property
    def counts(self) -> bool:
        """Whether the share is one that rounds to a per cent at least."""
        return abs(self.share) >= 0.005


@dataclass(frozen=True)
class Difference:
    """Where class a leads over class b in one image, and where it trails.

    Attributes:
        total: p(a | x) - p(b | x).
        lead: bands of positive cells, strongest first.
        trail: bands of negative cells, strongest first.
    """

    total: float
    lead: tuple[Band, ...]
    trail: tuple[Band, ...]

    def __str__(self) -> str:
        """Say it in words."""
        parts = [
            f"{name} {band.ranks}: {band.sum:+.2%}"
            for name, bands in (("lead", self.lead), ("trail", self.trail))
            for band in bands[:3]
        ]
        return f"difference {self.total:+.2%}" + "".join(f"; {part}" for part in parts)


def regions_of(
    contributions: Float[Tensor, "i j"], *, share: float | None, least: float
) -> Regions:
    """Return the strongest cells; see :meth:`regionwise.heads.joint.Joint.top_regions`."""
    if share is not None and not 0 < share <= 1:
        raise TargetError(f"a share must lie in (0, 1], not {share}")
    if not 0 <= least < 1:
        raise TargetError(f"least must lie in [0, 1), not {least}")
    _check_finite(contributions)
    columns = contributions.shape[1]
    values, order = contributions.double().flatten().sort(descending=True, stable=True)
    probability = float(values.sum())
    if share is None:
        count = int((values > least * values[0]).sum())
    else:
        # the running sum may end a rounding below the whole
        reached = values.cumsum(dim=0) >= share * probability * (1 - 1e-12)
        count = int(reached.to(torch.uint8).argmax()) + 1
    size = (contributions.shape[0], columns)
    return Regions(
        _cells(order[:count], columns), tuple(values[:count].tolist()), probability, size
    )


def differences_of(difference: Float[Tensor, "i j"], *, band: int) -> Difference:
    """Return bands of signed cells; see :meth:`regionwise.heads.joint.Joint.top_differences`."""
    if band < 1:
        raise TargetError(f"a band must hold at least one cell, not {band}")
    _check_finite(difference)
    flat = difference.double().flatten()
    total = float(flat.sum())
    return Difference(
        total,
        _bands(flat, band, total, difference.shape[1]),
        _bands(-flat, band, -total, difference.shape[1], sign=-1.0),
    )


def _check_finite(values: Float[Tensor, "i j"]) -> None:
    if not torch.isfinite(values).all():
        raise TargetError("the contributions are not finite: there is NaN in weights or inputs")


def _bands(
    flat: Float[Tensor, " z"], band: int, total: float, columns: int, *, sign: float = 1.0
) -> tuple[Band, ...]:
    values, order = flat.sort(descending=True, stable=True)
    count = int((values > 0).sum())
    found = []
    for start in range(0, count, band):
        stop = min(start + band, count)
        mine = [sign * value for value in values[start:stop].tolist()]
        share = sign * sum(mine) / total if total else float("nan")
        found.append(Band(start + 1, _cells(order[start:stop], columns), tuple(mine), share))
    return tuple(found)


def _cells(order: Tensor, columns: int) -> tuple[tuple[int, int], ...]:
    return tuple((index // columns, index % columns) for index in order.tolist())
