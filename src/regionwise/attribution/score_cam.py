"""Score-CAM (Wang et al. 2020), in its four published versions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.budgeted import BUDGET, Reading, budgeted_weights, check_seed
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import SettingError
from regionwise.evidence.masking import MinMaxOrder, is_constant, minmax_masks
from regionwise.evidence.probe import Probe
from regionwise.registry import CHUNKED
from regionwise.shapes import (
    Activations,
    ChannelLogits,
    ChannelWeights,
    Logits,
    Maps,
    TargetIndices,
)

Variant = Literal["code", "paper", "pytorch-grad-cam", "torch-cam"]


def score_cam_map(
    activations: Activations, channel_weights: ChannelWeights, *, relu: bool = True
) -> Maps:
    """Sum the channels by their scores: ReLU(sum_k alpha_k A_k), n t i j.

    Reference: Wang et al. 2020, Eq. 5-6.
    Choice: at the layer's resolution; the authors' code sums upsampled channels, which is the same
    wherever the sum is not negative.
    """
    maps = torch.einsum("ntk,nkij->ntij", channel_weights, activations)
    return maps.relu() if relu else maps


def channel_weights_of(
    masked_logits: ChannelLogits,
    logits: Logits,
    baseline_logits: Logits,
    targets: TargetIndices,
    *,
    variant: Variant = "code",
) -> ChannelWeights:
    """Turn the logits of the masked images into one weight per channel, n t k.

    Args:
        masked_logits: logits under each channel's mask, n k y.
        logits: of the whole image, n y.
        baseline_logits: of the baseline image (0 in the units of the inputs), n y.
        targets: n t.
        variant: ``code``: softmax probability of the class, in [0, 1]. ``paper``: logit minus
            baseline logit, softmax over channels (Algorithm 1). ``pytorch-grad-cam``: logit,
            softmax over channels. ``torch-cam``: logit minus the whole image's logit, softmax over
            channels. A constant that is subtracted drops out of a softmax over channels, so the
            three last agree for the same masks.
    """
    scores = masked_logits.softmax(dim=2) if variant == "code" else masked_logits
    index = targets.unsqueeze(1).expand(-1, masked_logits.shape[1], -1)
    by_target = scores.gather(2, index).transpose(1, 2)
    if variant == "code":
        return by_target
    subtract = {"paper": baseline_logits, "torch-cam": logits}.get(variant)
    if subtract is not None:
        by_target = by_target - subtract.gather(1, targets).unsqueeze(2)
    return by_target.softmax(dim=2)


def _varying(activations: Activations) -> Float[Tensor, "n k"]:
    """Return 1 for channels that vary over the map, 0 for constant ones: the code skips these."""
    return (~is_constant(activations)[..., 0, 0]).to(activations.dtype)


@dataclass(frozen=True)
class ScoreCAM(Recipe):
    """Score-CAM.

    A score function as target weighs each channel by its value on the masked image.

    Attributes:
        variant: whose version is meant, see :func:`channel_weights_of`.
        budget: channels to score per image, drawn at random: the map is then an unbiased estimate,
            up to its ReLU, and has a standard error. By default all are scored.
        seed: of the draws.
        chunk: masked images per forward pass.
    """

    name: ClassVar[str] = "score-cam"
    variant: Variant = "code"
    budget: int | None = field(default=None, metadata=BUDGET)
    seed: int = 0
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __post_init__(self) -> None:
        """Refuse a budget where a weight depends on the scores of all channels."""
        super().__post_init__()
        check_seed(self.name, self.budget, self.seed)
        if self.budget is not None and self.variant != "code":
            raise SettingError(
                f"variant={self.variant} of 'score-cam' has a softmax over the scores of all"
                " channels, of which a few give no unbiased estimate; budget needs variant=code"
            )

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the logits of the image under each channel's mask."""
        corners = self.variant == "pytorch-grad-cam"
        order: MinMaxOrder = "minmax-first" if self.variant == "torch-cam" else "upsample-first"
        gate = partial(minmax_masks, size=probe.size, align_corners=corners, order=order)
        ask = partial(probe.masked_logits, ("min-max", corners, order), gate, chunk=self.chunk)
        weights, details = self._weights(probe, ask)
        if self.variant == "code":
            weights = weights * _varying(probe.activations)[:, None]
        maps = score_cam_map(probe.activations, weights)
        return RawMaps(maps, {"channel_weights": weights, **details})

    def _weights(
        self, probe: Probe, ask: Callable[..., ChannelLogits]
    ) -> tuple[ChannelWeights, dict[str, Tensor]]:
        if self.budget is None:
            return self._weights_of(probe, ask()), {}
        cells = (probe.activations.shape[2], probe.activations.shape[3])
        reading = Reading(
            masks=partial(minmax_masks, size=cells),
            summands=lambda maps: maps * _varying(maps)[..., None, None],
        )
        return budgeted_weights(probe, ask, reading, budget=self.budget, seed=self.seed)

    def _weights_of(self, probe: Probe, masked: ChannelLogits) -> ChannelWeights:
        if self.variant == "code":
            return probe.targets.masked_scores(masked)
        if probe.targets.indices is None:
            return probe.targets.masked_scores(masked).softmax(dim=2)
        return channel_weights_of(
            masked,
            probe.logits,
            probe.baseline_logits() if self.variant == "paper" else probe.logits,
            probe.targets.indices,
            variant=self.variant,
        )
