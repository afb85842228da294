"""Scoring masked images in chunks: many masks, one network, memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.evidence.masking import apply_mask
from regionwise.shapes import Activations, Inputs

Gate: TypeAlias = Callable[[Tensor], Tensor]
"""Turns some channels ``1 k i j`` of an image's activations into masks ``1 k h w``."""

MaskSource: TypeAlias = Callable[[int, slice], Tensor]
"""Gives the masks of a slice for one image, m h w."""

Remember: TypeAlias = Callable[[int, Callable[[], Tensor]], Tensor]
"""Gives the logits of a picture, m y, by its place: those it knows, or what it computes."""

CHUNK = 16
"""Masked images per forward pass, unless asked otherwise."""


def chunks(count: int, chunk: int) -> Iterator[slice]:
    """Cut ``count`` items into consecutive slices of at most ``chunk``."""
    for start in range(0, count, chunk):
        yield slice(start, min(start + chunk, count))


def forgetful(_: int, compute: Callable[[], Tensor]) -> Tensor:
    """Compute whatever is asked, and remember nothing."""
    return compute()


def score_masks(  # noqa: PLR0913 - one parameter for each choice
    forward: Callable[[Tensor], Tensor],
    inputs: Inputs,
    masks: MaskSource,
    count: int,
    *,
    fill: Float[Tensor, "n c h w"] | float = 0.0,
    chunk: int = CHUNK,
    remember: Remember = forgetful,
) -> Float[Tensor, "n m y"]:
    """Return the logits of each image under each of ``count`` masks, n m y.

    The masks of a chunk are made when they are needed and forgotten after it: memory grows with
    ``chunk``, not with the number of masks. ``fill`` replaces what is removed.
    """

    def row(index: int) -> Tensor:
        image = inputs[index : index + 1]
        instead = fill[index : index + 1, None] if isinstance(fill, Tensor) else fill
        logits = [
            forward(apply_mask(image, masks(index, part)[None], instead)[0])
            for part in chunks(count, chunk)
        ]
        return torch.cat(logits)

    return torch.stack([remember(index, partial(row, index)) for index in range(len(inputs))])


def score_channel_masks(
    forward: Callable[[Tensor], Tensor],
    inputs: Inputs,
    activations: Activations,
    gate: Gate,
    *,
    chunk: int = CHUNK,
    remember: Remember = forgetful,
) -> Float[Tensor, "n k y"]:
    """Return the logits of each image under the mask that ``gate`` makes of each channel, n k y."""

    def masks(index: int, part: slice) -> Tensor:
        return gate(activations[index : index + 1, part])[0]

    count = activations.shape[1]
    return score_masks(forward, inputs, masks, count, chunk=chunk, remember=remember)
