"""What the network would say if its layer had given something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import ModelError
from regionwise.evidence.probe import Probe
from regionwise.evidence.read_rows import only_read
from regionwise.heads.pooled import PooledHead, find_pooled_head
from regionwise.shapes import Activations, ChannelWeights

TAIL_CHUNK: Final = {"cpu": 32}
"""Changed maps per pass through the tail by kind of device, unless asked otherwise."""

ELSEWHERE: Final = 256
"""The same on other devices, less where memory does not suffice."""

Change: TypeAlias = Callable[[int, Tensor, slice], Tensor]
"""Makes the changed maps m k i j of a slice from an image's place and its own map 1 k i j."""


def altered_logits(
    probe: Probe, change: Change, count: int, *, chunk: int | None = None
) -> Float[Tensor, "n m y"]:
    """Return the logits of each image under each of ``count`` changes of its map, n m y.

    The changed maps of a chunk are made when they are needed and forgotten after it, so memory
    grows with ``chunk``; only the network behind the layer runs, and of it only what is read.
    """
    asked = TAIL_CHUNK.get(probe.inputs.device.type, ELSEWHERE) if chunk is None else chunk
    frugally = only_read(probe)
    rows = []
    for index in range(len(probe.inputs)):
        own = probe.activations[index : index + 1]

        def run(part: slice, index: int = index, own: Tensor = own) -> Tensor:
            changed = change(index, own, part)
            with frugally():
                return probe.tail_logits(index, changed, chunk=len(changed))

        rows.append(torch.cat(probe.engine.pace.over(count, own, run, asked=asked)))
    return torch.stack(rows)


def pooled_head_behind(probe: Probe) -> PooledHead | None:
    """Return the linear head if the tail is pooling and linear."""
    try:
        return find_pooled_head(probe.model, probe.activations, probe.logits)
    except ModelError:
        # not an error here: the tail runs instead
        return None


def pooled_contributions(
    class_weights: Float[Tensor, "n t k"], activations: Activations
) -> ChannelWeights:
    """Return what each channel adds to the score behind pooling: W_ck mean_ij(A_k), n t k."""
    return class_weights * activations.mean(dim=(-2, -1)).unsqueeze(1)
