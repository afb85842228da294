"""Recipro-CAM (Byun and Lee 2022), also for transformers (Byun and Lee 2023)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.altered import altered_logits, pooled_head_behind
from regionwise.evidence.probe import Probe
from regionwise.heads.pooled import PooledHead
from regionwise.registry import CHUNKED
from regionwise.shapes import Activations, ChannelWeights, Maps

Window = Literal["cell", "gaussian", "spread"]


def cell_windows(
    cells: tuple[int, int], part: slice, *, gaussian: bool = False
) -> Float[Tensor, "m i j"]:
    """Return the window around each cell of the slice, counted row by row, m i j in float64.

    One at the cell itself; with ``gaussian`` the 3 x 3 filter [1 2 1; 2 4 2; 1 2 1] / 16 around
    it, cut off at the border.
    """
    rows, columns = cells
    count = part.stop - part.start
    places = torch.arange(part.start, part.stop)
    windows = torch.zeros(count, 1, rows * columns, dtype=torch.float64)
    windows[torch.arange(count), 0, places] = 1
    windows = windows.reshape(count, 1, rows, columns)
    return (_blurred(windows) if gaussian else windows)[:, 0]


def kept_cells(
    activations: Float[Tensor, "1 k i j"], part: slice, *, window: Window = "cell"
) -> Float[Tensor, "m k i j"]:
    """Return the map as it is if only one cell is left of it, for each cell of the slice.

    Args:
        activations: one image's map, 1 k i j.
        part: which cells, counted row by row.
        window: ``cell``: that cell's features, zero elsewhere; ``gaussian``: the features around
            it, weighted by the 3 x 3 Gaussian; ``spread``: that cell's features, laid over its
            neighbours by the same Gaussian.

    Reference: Byun and Lee 2022: the mosaic of spatially masked feature maps.
    Choice: ``cell``, as the authors' code runs. With its Gaussian switched on, the code for
    convolutional networks spreads (behind average pooling this changes the border alone), the
    code for transformers weighs what is around.
    """
    cells = (activations.shape[2], activations.shape[3])
    windows = cell_windows(cells, part, gaussian=window != "cell").to(activations).unsqueeze(1)
    if window == "spread":
        own = activations.flatten(2)[0, :, part].T
        return own[:, :, None, None] * windows
    return activations * windows


def pooled_cells(
    activations: Activations, head: PooledHead, *, window: Window = "cell"
) -> Float[Tensor, "n m y"]:
    """Return the logits of every cell alone behind pooling and a linear layer, W A_ij / Z + b.

    The windows are laid over the class maps W A, which are the same for all of them.
    """
    cells = activations.shape[2:]
    maps = torch.einsum("yk,nkij->nyij", head.weight, activations) / math.prod(cells)
    if window == "gaussian":
        maps = _blurred(maps)
    elif window == "spread":
        maps = maps * _blurred(maps.new_ones(1, 1, *cells))
    return maps.flatten(2).transpose(1, 2) + head.bias


def recipro_cam_map(scores: ChannelWeights, cells: tuple[int, int]) -> Maps:
    """Lay the scores of the single cells, n t m counted row by row, out on their grid, n t i j.

    Reference: Byun and Lee 2022; the class probability of each cell alone, without min-max.
    """
    return scores.reshape(*scores.shape[:2], *cells)


@dataclass(frozen=True)
class ReciproCAM(Recipe):
    """Recipro-CAM; ``window`` says what is kept of the map for each cell.

    Tokens that stand for no place (class, distillation, registers) are always kept. A score
    function as target is mapped by its value instead of the class probability.
    """

    name: ClassVar[str] = "recipro-cam"
    window: Window = "cell"
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask the tail, or the head, for the logits of every cell alone."""
        cells = (probe.activations.shape[2], probe.activations.shape[3])
        head = pooled_head_behind(probe)
        if head is None:
            logits, rule = self._tail_logits(probe), "tail"
        else:
            logits = pooled_cells(probe.activations, head, window=self.window)
            rule = "closed form"
        maps = recipro_cam_map(probe.targets.masked_scores(logits), cells)
        return RawMaps(maps, {"rule": rule})

    def _tail_logits(self, probe: Probe) -> Float[Tensor, "n m y"]:
        rows, columns = probe.activations.shape[2:]

        def change(_: int, own: Tensor, part: slice) -> Tensor:
            return kept_cells(own, part, window=self.window)

        return altered_logits(probe, change, rows * columns, chunk=self.chunk)


def _blurred(maps: Float[Tensor, "n m i j"]) -> Float[Tensor, "n m i j"]:
    """Filter each map by [1 2 1; 2 4 2; 1 2 1] / 16; outside of it there is nothing."""
    line = torch.tensor([1.0, 2.0, 1.0]).to(maps)
    kernel = torch.outer(line, line)[None, None] / 16
    return F.conv2d(maps.flatten(0, 1).unsqueeze(1), kernel, padding=1).view_as(maps)
