"""Scoring masked images in chunks: many masks, one network, memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.evidence.masking import apply_mask
from regionwise.shapes import Activations, Inputs

Gate: TypeAlias = Callable[[Tensor], Tensor]
"""Turns some channels ``1 k i j`` of an image's activations into masks ``1 k h w``."""

CHUNK = 16
"""Masked images per forward pass, unless asked otherwise."""


def channel_chunks(channels: int, chunk: int) -> Iterator[slice]:
    """Cut ``channels`` into consecutive slices of at most ``chunk``."""
    for start in range(0, channels, chunk):
        yield slice(start, min(start + chunk, channels))


def score_channel_masks(
    forward: Callable[[Tensor], Tensor],
    inputs: Inputs,
    activations: Activations,
    gate: Gate,
    *,
    chunk: int = CHUNK,
) -> Float[Tensor, "n k y"]:
    """Return the logits of each image under each channel's mask.

    The masks of a chunk are made when they are needed and forgotten after it: memory grows with
    ``chunk``, not with the number of channels.
    """
    rows = []
    for image, maps in zip(inputs, activations, strict=True):
        logits = [
            forward(apply_mask(image[None], gate(maps[None, part]))[0])
            for part in channel_chunks(maps.shape[0], chunk)
        ]
        rows.append(torch.cat(logits))
    return torch.stack(rows)
