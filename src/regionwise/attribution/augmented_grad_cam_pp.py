"""Augmented Grad-CAM++ (Gao et al. 2023), and what ScoreCAM++ compared itself with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from regionwise.attribution.augmented_grad_cam import brought_back
from regionwise.attribution.grad_cam_pp import grad_cam_pp_map
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.attribution.warps import Warp, draw_warps, unmoved, warped
from regionwise.errors import SettingError
from regionwise.evidence.masking import min_max
from regionwise.evidence.needs import GRADIENTS
from regionwise.evidence.probe import Probe
from regionwise.shapes import Inputs, Maps

Variant = Literal["abstract", "repository-mended", "repository"]


@dataclass(frozen=True)
class AugmentedGradCAMpp(Recipe):
    """Augmented Grad-CAM++.

    Attributes:
        copies: turned and shifted copies besides the image itself; by default 19, and 50 for the
            repository's variants.
        variant: ``abstract``: Grad-CAM++ maps of the copies, upsampled bilinearly, brought back and
            averaged. ``repository-mended``: the baseline in ScoreCAM++'s repository with its class
            bug mended: min-maxed maps of copies turned by up to 45 degrees and shifted by up to a
            fifth, added up where they lie, never brought back. ``repository``: as it was: the
            copy number r explains class r, whatever the target.
        seed: of turns and shifts.
    """

    name: ClassVar[str] = "augmented-grad-cam++"
    copies: int | None = None
    variant: Variant = "abstract"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse fewer than no copies."""
        super().__post_init__()
        if self.copies is not None and self.copies < 0:
            raise SettingError(
                f"setting 'copies' of {self.name!r} cannot be {self.copies}; give 0 or more"
            )

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the Grad-CAM++ map of the image and of every copy."""
        if self.variant == "abstract":
            return RawMaps(self._brought_back(probe))
        classes = probe.logits.shape[1]
        copies = 50 if self.copies is None else self.copies
        if self.variant == "repository" and copies > classes:
            raise SettingError(
                f"'{self.name}:variant=repository' explains class r on copy r, and there are"
                f" {classes} classes for {copies} copies; give copies={classes} or fewer"
            )
        total = self._min_maxed(probe, probe.inputs, None)
        for number, warp in enumerate(self._warps(probe, copies, math.pi / 4, 0.2)):
            rounded = Warp(warp.angles, warp.shifts.round())
            copy = warped(probe.inputs, rounded, interpolation="nearest")
            total = total + self._min_maxed(probe, copy, number)
        return RawMaps(total)

    def _brought_back(self, probe: Probe) -> Maps:
        copies = 19 if self.copies is None else self.copies
        warps = [unmoved(len(probe.inputs)), *self._warps(probe, copies, 0.5, 0.134)]
        total = torch.zeros((), dtype=probe.inputs.dtype, device=probe.inputs.device)
        for warp in warps:
            with probe.again(warped(probe.inputs, warp), frozenset({GRADIENTS})) as other:
                maps = grad_cam_pp_map(other.activations, other.gradients)
            total = total + brought_back(maps, warp, probe.size) / len(warps)
        return total

    def _min_maxed(self, probe: Probe, inputs: Inputs, number: int | None) -> Maps:
        """Return the min-maxed Grad-CAM++ map of one copy; of class ``number``, as it was."""
        target = None
        if self.variant == "repository" and number is not None:
            target = torch.full((len(inputs), probe.targets.count), number)
        with probe.again(inputs, frozenset({GRADIENTS}), target) as other:
            return min_max(grad_cam_pp_map(other.activations, other.gradients, variant="local-sum"))

    def _warps(self, probe: Probe, copies: int, angle: float, shift: float) -> list[Warp]:
        return draw_warps(probe.inputs, copies=copies, angle=angle, shift=shift, seed=self.seed)
