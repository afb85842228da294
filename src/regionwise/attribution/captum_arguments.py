"""What the classes of captum are given where nothing was asked for, and no default would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

from regionwise.evidence.probe import Probe
from regionwise.evidence.scoring import CHUNK

PATCHES: Final = 7
"""Squares down and across that are hidden together, where a class would hide single numbers."""


def arguments(
    probe: Probe, takes: Mapping[str, bool], values: Mapping[str, Any], patches: int
) -> dict[str, Any]:
    """Return the arguments of ``attribute`` besides inputs and target.

    Args:
        probe: of the images.
        takes: names of the arguments, and whether each is obligatory.
        values: what was asked for. A window or stride in pixels becomes a square over all colours.
        patches: squares down and across that are hidden together.
    """
    found = dict(values)
    if "sliding_window_shapes" in takes:
        window = int(found.get("sliding_window_shapes", max(1, round(min(probe.size) / 5))))
        stride = int(found.get("strides", max(1, window // 2)))
        colours = probe.inputs.shape[1]
        sides = [min(window, side) for side in probe.size]
        found["sliding_window_shapes"] = (colours, *sides)
        found["strides"] = (colours, *(min(stride, side) for side in sides))
    if takes.get("baselines"):
        # a distribution of baselines; one class refuses to draw from a single one
        value = float(found.get("baselines", 0.0))
        found["baselines"] = torch.full_like(probe.inputs[:1], value).repeat(2, 1, 1, 1)
    if "feature_mask" in takes:
        found["feature_mask"] = squares(probe, patches)
    if "layer_mask" in takes:
        found["layer_mask"] = cells(probe)
    if "internal_batch_size" in takes:
        found.setdefault("internal_batch_size", max(len(probe.inputs), CHUNK))
    return found


def squares(probe: Probe, count: int) -> Tensor:
    """Return the number of each pixel's square, 1 1 h w."""
    rows, columns = (
        torch.arange(side, device=probe.inputs.device) * min(count, side) // side
        for side in probe.size
    )
    return (rows[:, None] * count + columns)[None, None]


def cells(probe: Probe) -> Tensor:
    """Return the number of each cell in the layer's own form; leading tokens are one."""
    rows, columns = probe.activations.shape[2:]
    numbers = 1 + torch.arange(rows * columns, device=probe.inputs.device)
    plane = numbers.reshape(1, 1, rows, columns).to(probe.inputs)
    return probe.grid.write(plane, plane.new_zeros(1, probe.grid.prefix, 1)).long()
