"""Augmented Grad-CAM (Morbidelli et al. 2020): one fine map from Grad-CAMs of turned copies."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.grad_cam import grad_cam_map
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.attribution.super_resolution import super_resolved
from regionwise.attribution.warps import Warp, draw_warps, sources, unmoved, warped
from regionwise.evidence.masking import upsample
from regionwise.evidence.needs import GRADIENTS
from regionwise.evidence.probe import Probe
from regionwise.shapes import Maps

Combine = Literal["super-resolution", "mean", "max"]


def brought_back(maps: Maps, warp: Warp, size: tuple[int, int]) -> Float[Tensor, "n t h w"]:
    """Upsample the maps of warped copies and bring them back; 0 where nothing was seen."""
    return warped(upsample(maps, size), warp, back=True)


@dataclass(frozen=True)
class AugmentedGradCAM(Recipe):
    """Augmented Grad-CAM.

    Attributes:
        copies: of the image; the first is the image itself.
        angle: largest turn, in radians.
        shift: largest shift, as a share of each side: 30 of 224 pixels.
        combine: ``super-resolution``; ``mean`` or ``max`` of the maps that were brought back.
        steps: of the minimisation.
        seed: of turns and shifts.
    """

    name: ClassVar[str] = "augmented-grad-cam"
    copies: int = field(default=100, metadata={"at_least": 1})
    angle: float = field(default=0.5, metadata={"at_least": 0})
    shift: float = field(default=0.134, metadata={"at_least": 0})
    combine: Combine = "super-resolution"
    steps: int = field(default=200, metadata={"at_least": 1})
    seed: int = 0

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the Grad-CAM of every copy."""
        warps = draw_warps(
            probe.inputs,
            copies=self.copies - 1,
            angle=self.angle,
            shift=self.shift,
            seed=self.seed,
        )
        warps = [unmoved(len(probe.inputs)), *warps]
        coarse = [self._grad_cam(probe, warp) for warp in warps]
        if self.combine == "super-resolution":
            return RawMaps(self._fine(probe, warps, torch.stack(coarse)))
        size = probe.size
        back = torch.stack([brought_back(m, w, size) for m, w in zip(coarse, warps, strict=True)])
        return RawMaps(back.mean(dim=0) if self.combine == "mean" else back.amax(dim=0))

    def _grad_cam(self, probe: Probe, warp: Warp) -> Maps:
        with probe.again(warped(probe.inputs, warp), frozenset({GRADIENTS})) as other:
            return grad_cam_map(other.activations, other.gradients)

    def _fine(
        self, probe: Probe, warps: list[Warp], coarse: Float[Tensor, "l n t i j"]
    ) -> Float[Tensor, "n t h w"]:
        """Solve for one image after the other: its copies share one fine map per target."""
        fine = []
        for index in range(len(probe.inputs)):
            own = Warp(
                torch.stack([warp.angles[index] for warp in warps]),
                torch.stack([warp.shifts[index] for warp in warps]),
            )
            places = sources(probe.size, own)
            fine.append(super_resolved(coarse[:, index], places, steps=self.steps))
        return torch.stack(fine)
