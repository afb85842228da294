"""What the network would say if its layer had given something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import ModelError
from regionwise.evidence.probe import Probe
from regionwise.evidence.scoring import chunks
from regionwise.evidence.targets import Targets
from regionwise.heads.pooled import PooledHead, find_pooled_head
from regionwise.shapes import Activations, ChannelLogits, ChannelWeights

TAIL_CHUNK: Final = 64
"""Changed maps per pass through the tail, unless asked otherwise."""

Change: TypeAlias = Callable[[int, Tensor, slice], Tensor]
"""Makes the changed maps m k i j of a slice from an image's place and its own map 1 k i j."""


def altered_logits(
    probe: Probe, change: Change, count: int, *, chunk: int = TAIL_CHUNK
) -> Float[Tensor, "n m y"]:
    """Return the logits of each image under each of ``count`` changes of its map, n m y.

    The changed maps of a chunk are made when they are needed and forgotten after it, so memory
    grows with ``chunk``; only the network behind the layer runs.
    """
    rows = []
    for index in range(len(probe.inputs)):
        own = probe.activations[index : index + 1]
        found = [
            probe.tail_logits(index, change(index, own, part), chunk=chunk)
            for part in chunks(count, chunk)
        ]
        rows.append(torch.cat(found))
    return torch.stack(rows)


def scores_of(targets: Targets, logits: ChannelLogits) -> ChannelWeights:
    """Return each target's score (logit, or the function's value) for each change, n t m."""
    return torch.stack([targets.scores(column) for column in logits.unbind(dim=1)], dim=2)


def pooled_head_behind(probe: Probe) -> PooledHead | None:
    """Return the linear head if the tail is pooling and linear, and classes are explained."""
    if probe.targets.function is not None:
        return None
    try:
        return find_pooled_head(probe.tail.model, probe.activations, probe.logits)
    except ModelError:
        # not an error here: the tail runs instead
        return None


def pooled_contributions(
    class_weights: Float[Tensor, "n t k"], activations: Activations
) -> ChannelWeights:
    """Return what each channel adds to the score behind pooling: W_ck mean_ij(A_k), n t k."""
    return class_weights * activations.mean(dim=(-2, -1)).unsqueeze(1)
