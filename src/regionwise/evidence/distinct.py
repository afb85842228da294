"""Which channels need to be scored: equal ones once, and none whose mask keeps nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Distinct:
    """The channels of one image that are scored for all.

    Attributes:
        scored: their numbers, in order.
        place: for each channel asked for, its place among the scored; 0 where it is blank.
        blank: which of the channels asked for have a mask that keeps nothing.
    """

    scored: Int[Tensor, " m"]
    place: Int[Tensor, " b"]
    blank: Bool[Tensor, " b"]

    def spread(
        self, scored: Float[Tensor, "m y"] | None, empty: Float[Tensor, "1 y"] | None
    ) -> Float[Tensor, "b y"]:
        """Return the logits of all channels asked for, from those of the scored ones."""
        if scored is None or not len(scored):
            if empty is None:
                raise ValueError("nothing was scored, and nothing is known of the empty image")
            return empty.expand(len(self.place), -1).clone()
        logits = scored[self.place]
        return logits if empty is None else torch.where(self.blank[:, None], empty, logits)


def distinct_channels(
    channels: Float[Tensor, "k i j"],
    gate: Callable[[Tensor], Tensor] | None = None,
    asked: Int[Tensor, " b"] | None = None,
) -> Distinct:
    """Find equal channels, value by value, and those whose mask keeps nothing.

    Args:
        channels: of one image.
        gate: from channels 1 k i j to masks 1 k h w; only constant channels are
            tried. ``None`` looks for no empty masks.
        asked: numbers of the channels that are wanted; all by default.
    """
    numbers = torch.arange(len(channels), device=channels.device) if asked is None else asked
    rows = channels[numbers].flatten(1)
    blank = torch.zeros(len(rows), dtype=torch.bool, device=rows.device)
    if gate is not None:
        flat = (rows.amin(dim=1) == rows.amax(dim=1)).nonzero().flatten()
        # equal constants make equal masks: one of each value is enough
        values, group = torch.unique(rows[flat, 0], return_inverse=True)
        for number, value in enumerate(values):
            mask = gate(torch.full_like(channels[None, :1], float(value)))
            blank[flat[group == number]] = not bool(mask.any())
    first = _first_equals(rows)
    kept = (first == torch.arange(len(rows), device=rows.device)) & ~blank
    order = kept.cumsum(dim=0) - 1
    return Distinct(numbers[kept], order[first].masked_fill(blank, 0), blank)


def _first_equals(rows: Float[Tensor, "b z"]) -> Int[Tensor, " b"]:
    """Return for each row the number of the first row that holds the same values."""
    count = len(rows)
    numbers = torch.arange(count, device=rows.device)
    weights = torch.linspace(1, 2, rows.shape[1], dtype=torch.float64, device=rows.device).sqrt()
    _, group = torch.unique(rows.double() @ weights, return_inverse=True)
    first = torch.full_like(numbers, count).scatter_reduce(0, group, numbers, "amin")[group]
    # equal sums are a hint, not a proof
    same = (rows == rows[first]).all(dim=1)
    return torch.where(same, first, numbers)
