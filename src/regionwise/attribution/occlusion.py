"""Occlusion (Zeiler and Fergus 2014): what is lost where a window hides the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import SettingError
from regionwise.evidence.probe import Probe
from regionwise.evidence.scoring import CHUNK, chunks
from regionwise.registry import CHUNKED


def window_starts(size: int, window: int, stride: int) -> list[int]:
    """Return where windows begin along a side; the last one ends at the border."""
    starts = list(range(0, size - window + 1, stride))
    return starts if starts[-1] == size - window else [*starts, size - window]


def windows(
    corners: list[tuple[int, int]], window: tuple[int, int], size: tuple[int, int], like: Tensor
) -> Float[Tensor, "m h w"]:
    """Return one mask per corner (top, left): 1 inside its window, 0 outside."""
    sides = []
    for axis in (0, 1):
        starts = torch.tensor([corner[axis] for corner in corners])[:, None]
        places = torch.arange(size[axis])
        sides.append((places >= starts) & (places < starts + window[axis]))
    return (sides[0][:, :, None] & sides[1][:, None, :]).to(like)


def occlusion_map(
    drops: Float[Tensor, "n t m"], covers: Float[Tensor, "m h w"]
) -> Float[Tensor, "n t h w"]:
    """Give each pixel the mean drop over the windows that cover it; 0 where none does.

    Reference: Zeiler and Fergus 2014, Sec. 4.2.
    """
    total = torch.einsum("ntm,mhw->nthw", drops, covers)
    return total / covers.sum(dim=0).clamp_min(1)


@dataclass(frozen=True)
class Occlusion(Recipe):
    """Occlusion by a square window.

    Attributes:
        window: its side in pixels; by default a fifth of the image's shorter side. A side of the
            image that is shorter is hidden whole.
        stride: of the window in pixels; by default half the window.
        fill: what the window shows, in the units of the inputs; 0 is the mean colour of a
            normalised input.
        chunk: masked images per forward pass.
    """

    name: ClassVar[str] = "occlusion"
    window: int | None = None
    stride: int | None = None
    fill: float = 0.0
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __post_init__(self) -> None:
        """Refuse windows that hide nothing, or leave gaps."""
        super().__post_init__()
        for name in ("window", "stride"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise SettingError(
                    f"setting {name!r} of 'occlusion' cannot be {value}; give 1 pixel or more"
                )

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the scores of the image with each window hidden."""
        window, corners = self._places(probe.size)

        def covers(part: slice) -> Tensor:
            return windows(corners[part], window, probe.size, probe.inputs)

        key = ("occlusion", window, tuple(corners), self.fill)
        logits = probe.logits_under(
            key,
            lambda _, part: 1 - covers(part),
            len(corners),
            fill=self.fill,
            chunk=self.chunk,
            fixed=True,
        )
        whole = probe.targets.masked_scores(probe.logits.unsqueeze(1))
        drops = whole - probe.targets.masked_scores(logits)
        total = probe.inputs.new_zeros(*drops.shape[:2], *probe.size)
        count = probe.inputs.new_zeros(probe.size)
        for part in chunks(len(corners), self.chunk or CHUNK):
            hidden = covers(part)
            times = hidden.sum(dim=0)
            total = total + occlusion_map(drops[:, :, part], hidden) * times
            count = count + times
        return RawMaps(total / count, {"windows": len(corners)})

    def _places(self, size: tuple[int, int]) -> tuple[tuple[int, int], list[tuple[int, int]]]:
        side = self.window if self.window is not None else max(1, round(min(size) / 5))
        stride = self.stride if self.stride is not None else max(1, side // 2)
        if stride > side:
            raise SettingError(
                f"a stride of {stride} pixels leaves gaps between windows of {side};"
                " give 'occlusion' a stride up to its window"
            )
        window = (min(side, size[0]), min(side, size[1]))
        rows, columns = (window_starts(*pair, stride) for pair in zip(size, window, strict=True))
        return window, [(top, left) for top in rows for left in columns]
