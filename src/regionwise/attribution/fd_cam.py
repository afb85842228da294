"""FD-CAM (Li et al. 2022)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import SettingError
from regionwise.evidence.altered import (
    altered_logits,
    pooled_contributions,
    pooled_head_behind,
)
from regionwise.evidence.probe import Probe
from regionwise.heads.pooled import PooledHead
from regionwise.registry import CHUNKED
from regionwise.shapes import Activations, ChannelWeights, Gradients, Maps, Scores


def channel_similarity(activations: Float[Tensor, "1 k i j"]) -> Float[Tensor, "k k"]:
    """Return the cosine of every pair of channels of one image; 0 where a channel is all zero."""
    flat = activations[0].flatten(1)
    flat = flat.to(torch.promote_types(flat.dtype, torch.float32))
    length = flat.norm(dim=1, keepdim=True)
    unit: Tensor = flat / length.where(length > 0, 1)
    return unit @ unit.T


def similar_channels(similarity: Float[Tensor, "k k"], theta: float) -> Bool[Tensor, "k k"]:
    """Say which channels j go with channel k: S_kj > the theta quantile of row k.

    Reference: Li et al. 2022, the similarity group of a channel; the quantile interpolates
    linearly between neighbours, as in the authors' code.
    """
    return similarity > _quantile(similarity, theta)


def switching_scores(on: ChannelWeights, off: ChannelWeights, scores: Scores) -> ChannelWeights:
    """Return s_k = y(A with group k alone) + [y(A) - y(A without group k)], n t k."""
    return on + (scores.unsqueeze(2) - off)


def fd_cam_weights(scores: ChannelWeights, gradients: Gradients) -> ChannelWeights:
    """Combine switching scores and gradients: exp(minmax_k s_k) minmax_k(mean_ij g_k) - 0.5.

    Args:
        scores: s_k, n t k.
        gradients: of the targets' logits by the activations, n t k i j.

    Returns:
        Weights in [-0.5, e - 0.5], n t k.

    Reference: Li et al. 2022; the combination and its constant as in the authors' code.
    Choice: what is the same for all channels becomes 0 in the min-max (the code divides by 0).
    """
    mean = gradients.mean(dim=(-2, -1))
    return _min_max(scores).exp() * _min_max(mean) - 0.5


def fd_cam_map(activations: Activations, weights: ChannelWeights, *, relu: bool = True) -> Maps:
    """Sum the channels by their weights: ReLU(sum_k w_k A_k), n t i j."""
    maps = torch.einsum("ntk,nkij->ntij", weights, activations)
    return maps.relu() if relu else maps


def _quantile(values: Float[Tensor, "k k"], share: float) -> Float[Tensor, "k 1"]:
    """Return each row's quantile; torch's own sorts the whole row, and refuses large ones."""
    place = share * (values.shape[1] - 1)
    low = math.floor(place)
    upmost = values.topk(values.shape[1] - low, dim=1).values
    return torch.lerp(upmost[:, -1:], upmost[:, -2:][:, :1], place - low)


def _min_max(values: ChannelWeights) -> ChannelWeights:
    low, high = values.amin(dim=2, keepdim=True), values.amax(dim=2, keepdim=True)
    return (values - low) / (high - low).where(high > low, 1)


@dataclass(frozen=True)
class FDCAM(Recipe):
    """FD-CAM; ``theta`` is the quantile of similarity above which channels switch together.

    The authors' code has no default for theta; their demonstration names 0.95, the 5 % most
    similar channels, and so does this. Their code serves VGG with channels in multiples of its
    batch; here the network behind the layer runs, whatever it is, in chunks of any size.
    ``relu=False`` gives the signed map: about half the weights are near -0.5 whatever the class,
    which can leave nothing positive where a layer is signed.
    """

    name: ClassVar[str] = "fd-cam"
    theta: float = 0.95
    relu: bool = True
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __post_init__(self) -> None:
        """Refuse what is no quantile."""
        super().__post_init__()
        if not 0 <= self.theta <= 1:
            raise SettingError(
                f"setting 'theta' of 'fd-cam' must lie between 0 and 1, not {self.theta}"
            )

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask the tail, or the head, for the scores of each group alone and of the rest alone."""
        groups = [
            similar_channels(channel_similarity(own[None]), self.theta) for own in probe.activations
        ]
        head = None if probe.targets.function is not None else pooled_head_behind(probe)
        on = self._scores(probe, groups, head)
        off = self._scores(probe, [~group for group in groups], head)
        weights = fd_cam_weights(switching_scores(on, off, probe.scores), probe.gradients)
        maps = fd_cam_map(probe.activations, weights, relu=self.relu)
        rule = "tail" if head is None else "closed form"
        return RawMaps(maps, {"channel_weights": weights, "rule": rule})

    def _scores(self, probe: Probe, keep: list[Tensor], head: PooledHead | None) -> ChannelWeights:
        """Return the targets' scores if only these channels were kept, n t k."""
        if head is not None:
            rows, bias = (probe.targets.class_rows(of) for of in (head.weight, head.bias))
            parts = pooled_contributions(rows, probe.activations)
            kept = [part @ group.to(part).T for part, group in zip(parts, keep, strict=True)]
            return torch.stack(kept) + bias.unsqueeze(2)

        def change(index: int, own: Tensor, part: slice) -> Tensor:
            return own * keep[index][part, :, None, None]

        channels = probe.activations.shape[1]
        logits = altered_logits(probe, change, channels, chunk=self.chunk)
        return probe.targets.changed_scores(logits)
