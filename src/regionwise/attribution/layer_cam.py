"""Layer-CAM (Jiang et al. 2021)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.probe import Probe
from regionwise.shapes import Activations, Gradients, Maps


def layer_cam_map(activations: Activations, gradients: Gradients) -> Maps:
    """Weigh every cell by its own positive gradient: ReLU(sum_k ReLU(g_kij) A_kij).

    Args:
        activations: n k i j.
        gradients: of the targets' scores by the activations, n t k i j.

    Returns:
        Maps n t i j, >= 0.

    Reference: Jiang et al. 2021, Eq. 6 and 7.
    """
    return torch.einsum("ntkij,nkij->ntij", gradients.relu(), activations).relu()


@dataclass(frozen=True)
class LayerCAM(Recipe):
    """Layer-CAM."""

    name: ClassVar[str] = "layer-cam"

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for activations and gradients."""
        return RawMaps(layer_cam_map(probe.activations, probe.gradients))
