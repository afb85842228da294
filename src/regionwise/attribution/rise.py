"""RISE (Petsiuk et al. 2018): random masks, weighed by what the network makes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.attribution.noise import stream
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import SettingError
from regionwise.evidence.probe import Probe
from regionwise.evidence.scoring import CHUNK, chunks
from regionwise.registry import CHUNKED


def rise_grids(
    count: int, cells: int, *, keep: float, seed: int
) -> tuple[Float[Tensor, "m s s"], Float[Tensor, "m 2"]]:
    """Draw ``count`` grids of zeros and ones, ones with probability ``keep``, and their shifts.

    Shifts are shares of a cell in [0, 1), rows then columns. All are drawn at once: that is little,
    and how many masks are run together then changes nothing.
    """
    generator = stream(seed)
    draws = torch.rand(count, cells, cells, generator=generator, dtype=torch.float64)
    shifts = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    return (draws < keep).to(draws.dtype), shifts


def rise_masks(
    grids: Float[Tensor, "m s s"], shifts: Float[Tensor, "m 2"], size: tuple[int, int]
) -> Float[Tensor, "m h w"]:
    """Upsample each grid to (s + 1) cells of ceil(size / s) pixels and cut out a shifted window.

    Args:
        grids: of zeros and ones, m s s.
        shifts: of the window in cells, rows and columns, m 2.
        size: rows and columns of the masks.

    Reference: Petsiuk et al. 2018, Sec. 3.2.
    """
    s = grids.shape[-1]
    cell = [math.ceil(side / s) for side in size]
    full = F.interpolate(
        grids.unsqueeze(1), ((s + 1) * cell[0], (s + 1) * cell[1]), mode="bilinear"
    )[:, 0]
    starts = (shifts * torch.tensor(cell, dtype=shifts.dtype)).long().tolist()
    cut = [
        mask[top : top + size[0], left : left + size[1]]
        for mask, (top, left) in zip(full, starts, strict=True)
    ]
    return torch.stack(cut)


def rise_map(
    scores: Float[Tensor, "n t m"], masks: Float[Tensor, "m h w"], *, keep: float
) -> Float[Tensor, "n t h w"]:
    """Average the masks by their scores: 1 / (N p) sum_i s_i m_i.

    Reference: Petsiuk et al. 2018, Eq. 6.
    """
    return torch.einsum("ntm,mhw->nthw", scores, masks) / (len(masks) * keep)


@dataclass(frozen=True)
class RISE(Recipe):
    """RISE; all images see the same masks.

    Attributes:
        masks: how many.
        cells: of a mask's grid, per side.
        keep: probability that a cell is kept.
        seed: of the masks.
        chunk: masked images per forward pass.
    """

    name: ClassVar[str] = "rise"
    masks: int = field(default=4000, metadata={"at_least": 1})
    cells: int = field(default=7, metadata={"at_least": 1})
    keep: float = 0.5
    seed: int = 0
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __post_init__(self) -> None:
        """Refuse a probability that is none, or keeps nothing."""
        super().__post_init__()
        if not 0 < self.keep <= 1:
            raise SettingError(
                f"setting 'keep' of 'rise' is a probability above 0, up to 1, not {self.keep}"
            )

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the scores of the masks; make each mask twice rather than keep it."""
        grids, shifts = rise_grids(self.masks, self.cells, keep=self.keep, seed=self.seed)

        def masks(_: int, part: slice) -> Tensor:
            return rise_masks(grids[part], shifts[part], probe.size).to(probe.inputs)

        key = ("rise", self.masks, self.cells, self.keep, self.seed)
        logits = probe.logits_under(key, masks, self.masks, chunk=self.chunk, fixed=True)
        scores = probe.targets.masked_scores(logits)
        total = probe.inputs.new_zeros(*scores.shape[:2], *probe.size)
        for part in chunks(self.masks, self.chunk or CHUNK):
            share = (part.stop - part.start) / self.masks
            total = total + share * rise_map(scores[:, :, part], masks(0, part), keep=self.keep)
        return RawMaps(total)
