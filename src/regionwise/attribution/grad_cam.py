"""Grad-CAM (Selvaraju et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.probe import Probe
from regionwise.shapes import Activations, Gradients, Maps


def grad_cam_map(activations: Activations, gradients: Gradients, *, relu: bool = True) -> Maps:
    """Weigh the channels by their mean gradient: ReLU(sum_k mean_ij(g_k) A_k).

    Args:
        activations: n k i j.
        gradients: of the targets' scores by the activations, n t k i j.
        relu: keep what speaks for the target only; ``False`` gives the signed map.

    Returns:
        Maps n t i j, >= 0 with ``relu``.

    Reference: Selvaraju et al. 2017, Eq. 1 and 2.
    """
    weights = gradients.mean(dim=(-2, -1))
    maps = torch.einsum("ntk,nkij->ntij", weights, activations)
    return maps.relu() if relu else maps


@dataclass(frozen=True)
class GradCAM(Recipe):
    """Grad-CAM; ``relu=False`` gives the signed map."""

    name: ClassVar[str] = "grad-cam"
    relu: bool = True

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for activations and gradients."""
        return RawMaps(grad_cam_map(probe.activations, probe.gradients, relu=self.relu))
