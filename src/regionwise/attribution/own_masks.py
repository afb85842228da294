"""Masks that belong to one target each, and what that target scores under them."""

from __future__ import annotations

from collections.abc import Hashable

from jaxtyping import Float
from torch import Tensor

from regionwise.evidence.masking import is_constant, min_max, upsample
from regionwise.evidence.probe import Probe


def scores_of_own_masks(
    probe: Probe,
    key: Hashable,
    maps: Float[Tensor, "n t m i j"],
    *,
    fill: Float[Tensor, "n c h w"] | float = 0.0,
    chunk: int | None,
) -> Float[Tensor, "n t m"]:
    """Return what each target scores on the image masked with each of its own maps, n t m.

    A map becomes a mask by upsampling and min-max; a constant map keeps nothing. The score is the
    class probability, or the function's value.

    Args:
        probe: with masked scores.
        key: names everything that decides the maps.
        maps: n t m i j.
        fill: what replaces what is removed.
        chunk: masked images per forward pass; ``None`` for what suits the machine.
    """
    flat = maps.flatten(1, 2)

    def masks(index: int, part: slice) -> Tensor:
        low = flat[index : index + 1, part]
        return min_max(upsample(low, probe.size), constant=is_constant(low))[0]

    logits = probe.logits_under(key, masks, flat.shape[1], fill=fill, chunk=chunk)
    scores = probe.targets.masked_scores(logits)
    scores = scores.reshape(*scores.shape[:2], *maps.shape[1:3])
    own: Tensor = scores.diagonal(dim1=1, dim2=2).movedim(-1, 1)
    return own
