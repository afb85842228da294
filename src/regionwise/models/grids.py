"""Reading a layer's output as a map of cells, and writing it back.

Convolutional networks give n k i j. Swin and its kin give n i j k. Transformers give n tokens d:
some leading tokens that stand for no place (class, distillation, registers), then the cells row by
row. Everything behind the layer wants the output in its own form again.

Networks of volumes give n k d i j, or n d i j k. Their slices are laid below each other, n k (d i)
j, so that every formula that asks for cells, wherever they lie, works as it is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regionwise.shapes import Activations

Layout = Literal["nchw", "nhwc", "tokens", "ncdhw", "ndhwc"]

_MOST_PREFIX: Final = 16
_LONGEST_CELL: Final = 2.2
"""Cells may be this much longer than wide before a shape is no map of the image."""


@dataclass(frozen=True)
class Grid:
    """Where the cells lie in a layer's output.

    Attributes:
        layout: order of the axes.
        rows: cells down; in a volume, of one slice.
        columns: cells across.
        prefix: leading tokens that stand for no place.
        slices: slices of cells in a volume; ``None`` for an image.
    """

    layout: Layout
    rows: int
    columns: int
    prefix: int = 0
    slices: int | None = None

    def read(self, raw: Float[Tensor, n * any]) -> Activations:
        """Return the cells as n k i j; those of a volume as n k (d i) j."""
        if self.layout == "nchw":
            return raw
        if self.layout == "nhwc":
            return raw.permute(0, 3, 1, 2)
        if self.layout == "ncdhw":
            return stacked(raw)
        if self.layout == "ndhwc":
            return stacked(raw.permute(0, 4, 1, 2, 3))
        cells = raw[:, self.prefix :].transpose(1, 2)
        return cells.reshape(*cells.shape[:2], self.rows, self.columns)

    def write(self, maps: Activations, raw: Float[Tensor, n * any]) -> Float[Tensor, n * any]:
        """Return ``maps`` in the layer's own form; leading tokens are taken from ``raw``."""
        if self.layout == "nchw":
            return maps
        if self.layout == "nhwc":
            return maps.permute(0, 2, 3, 1)
        if self.slices is not None:
            volume = unstacked(maps, self.slices)
            return volume if self.layout == "ncdhw" else volume.permute(0, 2, 3, 4, 1)
        cells = maps.flatten(2).transpose(1, 2)
        if not self.prefix:
            return cells
        return torch.cat([raw[:, : self.prefix].expand(len(cells), -1, -1), cells], dim=1)


def stacked(volumes: Float[Tensor, "*b d i j"]) -> Float[Tensor, "*b d*i j"]:
    """Lay the slices of volumes below each other, ... (d i) j."""
    return volumes.flatten(-3, -2)


def unstacked(planes: Float[Tensor, "*b di j"], slices: int) -> Float[Tensor, "*b d i j"]:
    """Take slices that lie below each other apart again: the inverse of :func:`stacked`."""
    *before, rows, columns = planes.shape
    return planes.reshape(*before, slices, rows // slices, columns)


@dataclass(frozen=True)
class Hints:
    """What a network tells of the form of its outputs.

    Attributes:
        prefix: number of leading tokens; ``None`` if it does not tell.
        last_axis: widths that it normalises over the last axis; only such outputs can be n i j k.
    """

    prefix: int | None = None
    last_axis: frozenset[int] = frozenset()


def hints_of(model: nn.Module) -> Hints:
    """Return what a network tells: timm's ``num_prefix_tokens``, the widths of its LayerNorms."""
    told = getattr(model, "num_prefix_tokens", None)
    widths = {
        int(module.normalized_shape[-1])
        for module in model.modules()
        if isinstance(module, nn.LayerNorm | nn.RMSNorm) and "2d" not in type(module).__name__
    }
    return Hints(told if isinstance(told, int) else None, frozenset(widths))


def grid_of(shape: Iterable[int], image: tuple[int, ...], hints: Hints = Hints()) -> Grid | None:
    """Find the cells in an output of this shape for an image of so many rows and columns.

    A volume, of so many slices, rows and columns, is only read from outputs with five axes.

    Four axes are n k i j, unless the network normalises the last one: then the reading with the
    squarer cells is taken, and cells must not be longer than about twice their width. Three axes
    are tokens, whose patches are squares; that finds the number of leading tokens where the
    network does not tell it. Returns ``None`` if the output is no map of at least two cells.
    """
    _, *axes = shape
    if len(image) == 3:
        return _volume(axes, image, hints)
    if len(axes) == 2:
        told = None if hints.prefix is None else _tokens(axes[0], image, [hints.prefix])
        return told or _tokens(axes[0], image, range(min(_MOST_PREFIX, axes[0])))
    if len(axes) != 3:
        return None
    plain = Grid("nchw", axes[1], axes[2])
    if not hints.last_axis:
        return plain if _longness(plain, image) < math.inf else None
    readings = [plain]
    if axes[2] in hints.last_axis:
        readings.append(Grid("nhwc", axes[0], axes[1]))
    fitting = [grid for grid in readings if _longness(grid, image) <= _LONGEST_CELL]
    return min(fitting, key=lambda grid: _longness(grid, image), default=None)


def _volume(axes: list[int], volume: tuple[int, ...], hints: Hints) -> Grid | None:
    """Read n d i j k where the last axis is one that the network normalises, else n k d i j."""
    if len(axes) != 4:
        return None
    last = axes[3] in hints.last_axis
    cells = axes[:3] if last else axes[1:]
    fits = all(own <= given for own, given in zip(cells, volume, strict=True))
    if not fits or math.prod(cells) < 2:
        return None
    return Grid("ndhwc" if last else "ncdhw", cells[1], cells[2], slices=cells[0])


def _longness(grid: Grid, image: tuple[int, ...]) -> float:
    """Return how many times longer than wide a cell is, or the other way round."""
    if grid.rows * grid.columns < 2 or grid.rows > image[0] or grid.columns > image[1]:
        return math.inf
    ratio = image[0] * grid.columns / (image[1] * grid.rows)
    return max(ratio, 1 / ratio)


def _tokens(length: int, image: tuple[int, ...], prefixes: Iterable[int]) -> Grid | None:
    for lead in prefixes:
        cells = length - lead
        if cells < 2:
            continue
        rows = round(math.sqrt(cells * image[0] / image[1]))
        for guess in (rows, rows - 1, rows + 1):
            if guess > 0 and cells % guess == 0 and _exact(guess, cells // guess, image):
                return Grid("tokens", guess, cells // guess, lead)
    return None


def _exact(rows: int, columns: int, image: tuple[int, ...]) -> bool:
    """Patches are squares: the image's sides hold whole numbers of the same patch."""
    if rows * columns < 2:
        return False
    low = max(image[0] / (rows + 1), image[1] / (columns + 1))
    high = min(image[0] / rows, image[1] / columns)
    return low < high or image[0] * columns == image[1] * rows
