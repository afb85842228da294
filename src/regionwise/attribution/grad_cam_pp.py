"""Grad-CAM++ (Chattopadhyay et al. 2018), and what carries its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.probe import Probe
from regionwise.shapes import Activations, Gradients, Maps

Variant = Literal["paper", "official", "local-sum", "torch-cam"]


def grad_cam_pp_map(
    activations: Activations, gradients: Gradients, *, variant: Variant = "paper"
) -> Maps:
    """Weigh the channels by w_k = sum_ij alpha_kij ReLU(g_kij); ReLU(sum_k w_k A_k).

    alpha = g^2 / (2 g^2 + S_k g^3) with S_k = sum_ab A_kab, which is 1 / (2 + S_k g) wherever
    g is not zero, and 0 where it is. The short form keeps small gradients from underflowing.

    Args:
        activations: n k i j.
        gradients: of the targets' logits by the activations, n t k i j.
        variant: see *Choice*.

    Returns:
        Maps n t i j, >= 0.

    Reference: Chattopadhyay et al. 2018, Eq. 10 and 19; the score is exp(y), whose factor cancels.
    Choice: the paper's equation. ``official``: the authors' TensorFlow code also divides alpha, per
    channel, by its sum over cells with a positive gradient. ``local-sum``: most ports write
    sum_ab(A g^3) for (sum_ab A) g^3. ``torch-cam``: alpha = g^2, its division is lost in a copy.
    """
    alpha = _alpha(activations.unsqueeze(1), gradients, variant)
    if variant == "official":
        total = alpha.where(gradients > 0, 0).sum(dim=(-2, -1), keepdim=True)
        alpha = alpha / total.where(total != 0, 1)
    weights = (alpha * gradients.relu()).sum(dim=(-2, -1))
    return torch.einsum("ntk,nkij->ntij", weights, activations).relu()


def _alpha(activations: torch.Tensor, gradients: torch.Tensor, variant: Variant) -> torch.Tensor:
    if variant == "torch-cam":
        return gradients.square()
    if variant == "local-sum":
        third = (activations * gradients**3).sum(dim=(-2, -1), keepdim=True)
        denominator = 2 * gradients.square() + third
        return gradients.square() / denominator.where(denominator != 0, 1)
    denominator = 2 + activations.sum(dim=(-2, -1), keepdim=True) * gradients
    regular = denominator.where(denominator != 0, 1).reciprocal()
    # a vanishing denominator counts as one, as in the authors' code: alpha = g^2 there
    alpha = regular.where(denominator != 0, gradients.square())
    return alpha.where(gradients != 0, 0)


@dataclass(frozen=True)
class GradCAMpp(Recipe):
    """Grad-CAM++; ``variant`` names whose formula is meant."""

    name: ClassVar[str] = "grad-cam++"
    variant: Variant = "paper"

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for activations and gradients."""
        maps = grad_cam_pp_map(probe.activations, probe.gradients, variant=self.variant)
        return RawMaps(maps)
