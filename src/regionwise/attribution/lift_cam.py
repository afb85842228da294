"""LIFT-CAM (Jung and Oh 2021)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.altered import pooled_contributions, pooled_head_behind
from regionwise.evidence.contributions import completeness_gap, contributions_of
from regionwise.evidence.probe import Probe
from regionwise.evidence.scoring import CHUNK
from regionwise.registry import CHUNKED
from regionwise.shapes import Activations, ChannelWeights, Gradients, Maps


def lift_weights(contributions: Gradients) -> ChannelWeights:
    """Add up what a channel's cells contribute: alpha_k = sum_ij C(A_kij), n t k.

    Args:
        contributions: of every activation to y(A) - y(0), n t k i j; all of them together give it.

    Reference: Jung and Oh 2021: DeepLIFT contributions in place of the SHAP values of "channel k
    is there".
    """
    return contributions.sum(dim=(-2, -1))


def lift_cam_map(activations: Activations, weights: ChannelWeights, *, relu: bool = True) -> Maps:
    """Sum the channels by their weights: ReLU(sum_k alpha_k A_k), n t i j.

    Reference: Jung and Oh 2021, L = ReLU(sum_k alpha_k A_k).
    """
    maps = torch.einsum("ntk,nkij->ntij", weights, activations)
    return maps.relu() if relu else maps


@dataclass(frozen=True)
class LiftCAM(Recipe):
    """LIFT-CAM against a map of zeros; ``details["rule"]`` tells how each weight was found.

    ``closed form``: W_ck mean(A_k) behind pooling and a linear layer, where this is the exact SHAP
    value. ``rescale``: DeepLIFT's rule, where its contributions add up to y(A) - y(0).
    ``path integral``: the gradient's integral from zero to A in ``steps`` points, where the
    rescale rule has a gap (attention, layer normalisation, gates). ``details["gap"]`` is what is
    left of it. ``relu=False`` gives the signed map.
    """

    name: ClassVar[str] = "lift-cam"
    steps: int = field(default=32, metadata={"at_least": 1})
    relu: bool = True
    chunk: int = field(default=CHUNK, metadata=CHUNKED)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask the head for its weights, or the tail for contributions."""
        weights, details = self._weights(probe)
        maps = lift_cam_map(probe.activations, weights, relu=self.relu)
        return RawMaps(maps, {"channel_weights": weights, **details})

    def _weights(self, probe: Probe) -> tuple[ChannelWeights, dict[str, Any]]:
        head = None if probe.targets.function is not None else pooled_head_behind(probe)
        if head is not None:
            rows, bias = (probe.targets.class_rows(of) for of in (head.weight, head.bias))
            weights = pooled_contributions(rows, probe.activations)
            gap = completeness_gap(weights, probe.scores - bias)
            rules = tuple(("closed form",) * probe.targets.count for _ in weights)
            return weights, {"rule": rules, "gap": gap}
        found = contributions_of(probe, steps=self.steps, chunk=self.chunk)
        return lift_weights(found.values), {"rule": found.rules, "gap": found.gaps}
