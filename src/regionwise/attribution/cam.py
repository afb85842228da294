"""CAM (Zhou et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from regionwise.attribution.catalog import methods
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import ModelError
from regionwise.evidence.needs import POOLED_HEAD
from regionwise.evidence.probe import Probe
from regionwise.shapes import Activations, ChannelWeights, Maps, Scores


def class_activation_map(
    activations: Activations, class_weights: ChannelWeights, class_bias: Scores | None = None
) -> Maps:
    """Weigh the channels by the class: M_c(i, j) = sum_k W_ck A_k(i, j) (+ b_c).

    Args:
        activations: n k i j.
        class_weights: rows of the linear layer for the targets, n t k.
        class_bias: biases of the targets, n t; left out by default.

    Returns:
        Signed maps n t i j in units of logits: without bias, their mean plus b_c is the logit.

    Reference: Zhou et al. 2016, Eq. 2.
    Choice: CAPE's and CALM's code add the bias; with min-max normalisation it changes nothing.
    """
    maps = torch.einsum("ntk,nkij->ntij", class_weights, activations)
    return maps if class_bias is None else maps + class_bias[:, :, None, None]


@dataclass(frozen=True)
class CAM(Recipe):
    """CAM with its one setting: whether the class bias is added."""

    name: ClassVar[str] = "cam"
    bias: bool = False

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the pooled head and weigh the activations with its rows."""
        try:
            head = probe.pooled_head
        except ModelError as error:
            others = [c.name for c in methods.cards() if POOLED_HEAD not in c.needs]
            raise ModelError(
                f"cam does not apply: {error} (layer {probe.layer!r}). These methods do: "
                + ", ".join(others)
            ) from error
        weights = probe.targets.class_rows(head.weight)
        bias = probe.targets.class_rows(head.bias) if self.bias else None
        maps = class_activation_map(probe.activations, weights, bias)
        return RawMaps(maps, {"linear": head.name})
