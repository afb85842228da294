"""A ``reshape_transform``, as the peers take it, held against how Regionwise reads a layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from regionwise.errors import SettingError
from regionwise.evidence.probe import Probe
from regionwise.models.grids import Grid

Reshape = Callable[[Tensor], Tensor]


def check_reshape(
    transform: Reshape, model: nn.Module, inputs: Tensor, layer: nn.Module | str | None
) -> None:
    """Make sure that ``transform`` reads the layer's output as Regionwise does.

    The peers need it to know where the cells lie in tokens or channels-last maps; here that is
    found by itself. A transform that agrees changes nothing.

    Raises:
        SettingError: it fails on the layer's output, or reads other cells.
    """
    with Probe(model, inputs, None, layer, needs=frozenset()) as probe:
        grid, name, like = probe.grid, probe.layer, probe.activations
    disagreement = difference(transform, grid, like)
    if disagreement:
        raise SettingError(
            f"reshape_transform {disagreement}, but the output of {name!r} is read here as"
            f" {told(grid)}, n k i j = {tuple(like.shape)}; leave it out, or name another layer"
        )


def difference(transform: Reshape, grid: Grid, like: Tensor) -> str:
    """Say how ``transform`` differs from ``grid`` on an output of which each value is its place.

    Nothing is said if both give the same cells in the same order.
    """
    places = torch.arange(like.numel(), dtype=torch.float64, device=like.device).view(like.shape)
    lead = places.new_full((len(like), grid.prefix, like.shape[1]), -1.0)
    try:
        found: Any = transform(grid.write(places, lead))
    except (RuntimeError, ValueError, TypeError, IndexError, AttributeError) as error:
        return f"fails ({str(error).splitlines()[0]})"
    if not isinstance(found, Tensor):
        return f"gives {type(found).__name__}, not a tensor n k i j"
    if found.shape != places.shape:
        return f"gives {tuple(found.shape)}"
    return "" if torch.equal(found.to(places), places) else "puts the cells in another order"


def told(grid: Grid) -> str:
    """Say in words how a grid reads a layer's output."""
    cells = f"{grid.rows} x {grid.columns} cells"
    if grid.layout == "tokens":
        return f"{grid.prefix} leading tokens and {cells}"
    return f"{cells} ({grid.layout})"
