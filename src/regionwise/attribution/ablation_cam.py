"""Ablation-CAM (Desai and Ramaswamy 2020)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.altered import (
    altered_logits,
    pooled_contributions,
    pooled_head_behind,
)
from regionwise.evidence.probe import Probe
from regionwise.registry import CHUNKED
from regionwise.shapes import Activations, ChannelWeights, Maps, Scores

Variant = Literal["paper", "absolute", "difference"]


def ablation_weights(
    drops: ChannelWeights, scores: Scores, *, variant: Variant = "absolute"
) -> ChannelWeights:
    """Turn the drop of the score without each channel into weights: (y - y_k) / |y|, n t k.

    Args:
        drops: y - y_k, the score minus the score with channel k set to zero, n t k.
        scores: y, n t.
        variant: ``absolute``: divided by |y|; ``paper``: by y; ``difference``: not divided.
            A score of exactly zero divides by one.

    Reference: Desai and Ramaswamy 2020, w_k = (y - y_k) / y.
    Choice: |y| instead of y. They agree for y > 0; a negative score, which a log-probability always
    is, would turn the sign of every weight round, so that the map shows what speaks against the
    class. Within one map a division only changes the scale: for y > 0 the three variants have the
    same saliency.
    """
    if variant == "difference":
        return drops
    divisor = scores if variant == "paper" else scores.abs()
    return drops / divisor.where(divisor != 0, 1).unsqueeze(2)


def ablation_cam_map(
    activations: Activations, weights: ChannelWeights, *, relu: bool = True
) -> Maps:
    """Sum the channels by their weights: ReLU(sum_k w_k A_k), n t i j.

    Reference: Desai and Ramaswamy 2020, L = ReLU(sum_k w_k A_k).
    """
    maps = torch.einsum("ntk,nkij->ntij", weights, activations)
    return maps.relu() if relu else maps


def without_channels(
    activations: Float[Tensor, "1 k i j"], part: slice
) -> Float[Tensor, "m k i j"]:
    """Return a copy of the map for each channel of the slice, with that channel set to zero."""
    channels = torch.arange(activations.shape[1], device=activations.device)
    keep = channels != channels[part].unsqueeze(1)
    return activations * keep[:, :, None, None]


@dataclass(frozen=True)
class AblationCAM(Recipe):
    """Ablation-CAM; ``variant`` says by what the drop is divided, ``relu=False`` keeps signs."""

    name: ClassVar[str] = "ablation-cam"
    variant: Variant = "absolute"
    relu: bool = True
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask the tail for the scores without each channel, or the head's weights for all."""
        drops, rule = self._drops(probe)
        weights = ablation_weights(drops, probe.scores, variant=self.variant)
        maps = ablation_cam_map(probe.activations, weights, relu=self.relu)
        return RawMaps(maps, {"channel_weights": weights, "rule": rule})

    def _drops(self, probe: Probe) -> tuple[ChannelWeights, str]:
        head = None if probe.targets.function is not None else pooled_head_behind(probe)
        if head is not None:
            rows = probe.targets.class_rows(head.weight)
            return pooled_contributions(rows, probe.activations), "closed form"

        def change(_: int, own: Tensor, part: slice) -> Tensor:
            return without_channels(own, part)

        logits = altered_logits(probe, change, probe.activations.shape[1], chunk=self.chunk)
        return probe.scores.unsqueeze(2) - probe.targets.changed_scores(logits), "tail"
