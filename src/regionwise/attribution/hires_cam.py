"""HiRes-CAM (Draelos and Carin 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.probe import Probe
from regionwise.shapes import Activations, Gradients, Maps


def hires_cam_map(activations: Activations, gradients: Gradients, *, relu: bool = True) -> Maps:
    """Multiply every cell by its own gradient: ReLU(sum_k g_k * A_k), elementwise.

    The signed map is gradient x input at the layer, summed over channels: behind a layer from
    which the network is linear its cells add up to the score without the bias.

    Args:
        activations: n k i j.
        gradients: of the targets' scores by the activations, n t k i j.
        relu: keep what speaks for the target only; ``False`` gives the signed map.

    Returns:
        Maps n t i j, >= 0 with ``relu``.

    Reference: Draelos and Carin 2020, the definition of HiResCAM.
    Choice: rectified as Grad-CAM is, which is also how pytorch-grad-cam shows it; the sum that
    the paper proves faithful is the signed one.
    """
    maps = torch.einsum("ntkij,nkij->ntij", gradients, activations)
    return maps.relu() if relu else maps


@dataclass(frozen=True)
class HiResCAM(Recipe):
    """HiRes-CAM; ``relu=False`` gives the signed map."""

    name: ClassVar[str] = "hires-cam"
    relu: bool = True

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for activations and gradients."""
        return RawMaps(hires_cam_map(probe.activations, probe.gradients, relu=self.relu))
