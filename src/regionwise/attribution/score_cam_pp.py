"""ScoreCAM++ (Mitra et al. 2024): Score-CAM with gated masks and gated summands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.attribution.budgeted import BUDGET, Reading, budgeted_weights, check_seed
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.attribution.score_cam import score_cam_map
from regionwise.evidence.masking import upsample
from regionwise.evidence.probe import Probe
from regionwise.evidence.scoring import CHUNK, chunks
from regionwise.registry import CHUNKED
from regionwise.shapes import Activations, ChannelLogits, ChannelWeights, Maps

Activation = Literal["tanh", "relu", "sigmoid", "sig-relu", "mish", "swish"]
Variant = Literal["code", "equation", "mask-only"]

FINE: Final = 4
"""Pixels between the places where a standard error is computed: gates are smooth."""

_GATES: Final[dict[Activation, Callable[[Tensor], Tensor]]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "sig-relu": lambda x: torch.sigmoid(torch.relu(x)),
    "mish": F.mish,
    "swish": F.silu,
}


def gate(x: Float[Tensor, "*any"], activation: Activation = "tanh") -> Float[Tensor, "*any"]:
    """Apply a gate to upsampled activations; tanh of activations >= 0 lies in [0, 1).

    Reference: Mitra et al. 2024, Eq. 8 (tanh) and Table 5 (relu, sigmoid, mish, swish);
    sig-relu = sigmoid(ReLU(x)) is in the code only.
    """
    return _GATES[activation](x)


def gated_masks(
    activations: Activations, size: tuple[int, int], activation: Activation = "tanh"
) -> Float[Tensor, "n k h w"]:
    """Upsample, then gate: S_k = tanh(Up(A_k)).

    Choice: the text and the code upsample first; Eq. 9 and 12 write tanh(A).
    """
    return gate(upsample(activations, size), activation)


def score_cam_pp_map(
    gates: Float[Tensor, "n k h w"], channel_weights: ChannelWeights
) -> Float[Tensor, "n t h w"]:
    """Sum the gated channels by their scores: ReLU(sum_k alpha_k S_k).

    Reference: Mitra et al. 2024, Eq. 9.
    """
    return torch.einsum("ntk,nkhw->nthw", channel_weights, gates).relu()


@dataclass(frozen=True)
class ScoreCAMpp(Recipe):
    """ScoreCAM++.

    Attributes:
        activation: the gate; tanh is the paper's.
        variant: ``code`` weighs by the class probability; ``equation`` subtracts the score of the
            whole image (Eq. 10), which leaves blank maps; ``mask-only`` gates the mask but sums raw
            activations (the paper's ablation "Normalization").
        budget: channels to score per image, drawn at random: the map is then an unbiased estimate,
            up to its ReLU, and has a standard error. By default all are scored.
        seed: of the draws.
        chunk: masked images per forward pass.
    """

    name: ClassVar[str] = "score-cam++"
    activation: Activation = "tanh"
    variant: Variant = "code"
    budget: int | None = field(default=None, metadata=BUDGET)
    seed: int = 0
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __post_init__(self) -> None:
        """Refuse a seed where nothing is drawn."""
        super().__post_init__()
        check_seed(self.name, self.budget, self.seed)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the logits of the image under each channel's gated mask, and sum the gates."""
        make = partial(gated_masks, size=probe.size, activation=self.activation)
        ask = partial(probe.masked_logits, (self.activation,), make, chunk=self.chunk)
        weights, details = self._weights(probe, ask)
        if self.variant == "equation":
            weights = weights - probe.targets.masked_scores(probe.logits.unsqueeze(1))
        details = {"channel_weights": weights, **details}
        if self.variant == "mask-only":
            return RawMaps(score_cam_map(probe.activations, weights), details)
        return RawMaps(self._gated_sum(probe, weights), details)

    def _weights(
        self, probe: Probe, ask: Callable[..., ChannelLogits]
    ) -> tuple[ChannelWeights, dict[str, Tensor]]:
        if self.budget is None:
            return probe.targets.masked_scores(ask()), {}
        cells = (probe.activations.shape[2], probe.activations.shape[3])
        raw = self.variant == "mask-only"
        fine = (max(cells[0], probe.size[0] // FINE), max(cells[1], probe.size[1] // FINE))
        gates = partial(gated_masks, activation=self.activation)
        reading = Reading(
            masks=partial(gates, size=cells),
            summands=(lambda maps: maps) if raw else partial(gates, size=fine),
        )
        weights, details = budgeted_weights(probe, ask, reading, budget=self.budget, seed=self.seed)
        size = cells if raw else probe.size
        return weights, details | {"standard_error": upsample(details["standard_error"], size)}

    def _gated_sum(self, probe: Probe, weights: ChannelWeights) -> Maps:
        """Sum chunk by chunk: all gates at once would be K images."""
        total = probe.activations.new_zeros(*weights.shape[:2], *probe.size)
        for part in chunks(weights.shape[2], self.chunk or CHUNK):
            gates = gated_masks(probe.activations[:, part], probe.size, self.activation)
            total = total + torch.einsum("ntk,nkhw->nthw", weights[:, :, part], gates)
        return total.relu()
