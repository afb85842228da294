"""FD-CAM (Li et al. 2022)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import SettingError
from regionwise.evidence.altered import TAIL_CHUNK, altered_logits, scores_of
from regionwise.evidence.probe import Probe
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
    return similarity > torch.quantile(similarity, theta, dim=1, keepdim=True)


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


def fd_cam_map(activations: Activations, weights: ChannelWeights) -> Maps:
    """Sum the channels by their weights: ReLU(sum_k w_k A_k), n t i j."""
    return torch.einsum("ntk,nkij->ntij", weights, activations).relu()


def _min_max(values: ChannelWeights) -> ChannelWeights:
    low, high = values.amin(dim=2, keepdim=True), values.amax(dim=2, keepdim=True)
    return (values - low) / (high - low).where(high > low, 1)


@dataclass(frozen=True)
class FDCAM(Recipe):
    """FD-CAM; ``theta`` is the quantile of similarity above which channels switch together.

    The authors' code has no default for theta; their demonstration names 0.95, the 5 % most
    similar channels, and so does this. Their code serves VGG with channels in multiples of its
    batch; here the network behind the layer runs, whatever it is, in chunks of any size.
    """

    name: ClassVar[str] = "fd-cam"
    theta: float = 0.95
    chunk: int = field(default=TAIL_CHUNK, metadata=CHUNKED)

    def __post_init__(self) -> None:
        """Refuse what is no quantile."""
        super().__post_init__()
        if not 0 <= self.theta <= 1:
            raise SettingError(
                f"setting 'theta' of 'fd-cam' must lie between 0 and 1, not {self.theta}"
            )

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask the tail for the scores of every channel's group alone, and of the rest alone."""
        groups = [
            similar_channels(channel_similarity(own[None]), self.theta) for own in probe.activations
        ]
        on = self._scores(probe, groups)
        off = self._scores(probe, [~group for group in groups])
        weights = fd_cam_weights(switching_scores(on, off, probe.scores), probe.gradients)
        return RawMaps(fd_cam_map(probe.activations, weights), {"channel_weights": weights})

    def _scores(self, probe: Probe, keep: list[Tensor]) -> ChannelWeights:
        """Return the targets' scores if only these channels were kept, n t k."""

        def change(index: int, own: Tensor, part: slice) -> Tensor:
            return own * keep[index][part, :, None, None]

        channels = probe.activations.shape[1]
        logits = altered_logits(probe, change, channels, chunk=self.chunk)
        return scores_of(probe.targets, logits)
