"""XGrad-CAM (Fu et al. 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.probe import Probe
from regionwise.shapes import Activations, Gradients, Maps


def xgrad_cam_map(activations: Activations, gradients: Gradients, *, relu: bool = True) -> Maps:
    """Weigh the channels by w_k = sum_ij A_kij g_kij / sum_ij A_kij; ReLU(sum_k w_k A_k).

    Args:
        activations: n k i j.
        gradients: of the targets' scores by the activations, n t k i j.
        relu: keep what speaks for the target only.

    Returns:
        Maps n t i j, >= 0 with ``relu``. A channel whose activations sum to 0, up to
        rounding, weighs nothing.

    Reference: Fu et al. 2020, Eq. 8.
    Choice: exact division; published code adds 1e-6 to 1e-8 to the denominator.
    """
    total = activations.sum(dim=(-2, -1)).unsqueeze(1)
    rounding = 4 * torch.finfo(activations.dtype).eps * activations.abs().sum(dim=(-2, -1))
    cancels = total.abs() <= rounding.unsqueeze(1)
    weighted = torch.einsum("nkij,ntkij->ntk", activations, gradients)
    weights = (weighted / total.masked_fill(cancels, 1)).masked_fill(cancels, 0)
    maps = torch.einsum("ntk,nkij->ntij", weights, activations)
    return maps.relu() if relu else maps


@dataclass(frozen=True)
class XGradCAM(Recipe):
    """XGrad-CAM; ``relu=False`` gives the signed map."""

    name: ClassVar[str] = "xgrad-cam"
    relu: bool = True

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for activations and gradients."""
        return RawMaps(xgrad_cam_map(probe.activations, probe.gradients, relu=self.relu))
