"""Group-CAM (Zhang et al. 2021): a few groups of channels as masks over a blurred image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.blur import gaussian_blur
from regionwise.attribution.own_masks import scores_of_own_masks
from regionwise.attribution.percentile import percentile
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.masking import is_constant, upsample
from regionwise.evidence.probe import Probe
from regionwise.registry import CHUNKED
from regionwise.shapes import Activations, Gradients, Maps

Variant = Literal["plain", "denoised"]


def group_maps(
    activations: Activations, gradients: Gradients, *, groups: int = 32
) -> Float[Tensor, "n t g i j"]:
    """Sum Grad-CAM's weighted channels group by group: ReLU(sum_(k in group) mean(g_k) A_k).

    Channels are cut in order into groups of ceil(K / groups); there may be fewer than ``groups``.

    Reference: Zhang et al. 2021, Eq. 3.
    """
    weighted = gradients.mean(dim=(-2, -1))[..., None, None] * activations.unsqueeze(1)
    sums = [part.sum(dim=2) for part in weighted.chunk(groups, dim=2)]
    return torch.stack(sums, dim=2).relu()


def group_cam_map(
    maps: Float[Tensor, "n t g i j"],
    scores: Float[Tensor, "n t g"],
    baseline: Float[Tensor, "n t 1"],
) -> Maps:
    """Sum the groups by what they add to the blurred image: sum_g ReLU(s_g - s_blur) M_g.

    Constant groups are left out: they have no range to make a mask of.

    Reference: Zhang et al. 2021, Eq. 6-7.
    """
    gains = (scores - baseline).relu() * ~is_constant(maps)[..., 0, 0]
    return torch.einsum("ntg,ntgij->ntij", gains, maps)


def denoised_group_cam_map(
    maps: Float[Tensor, "n t g i j"],
    scores: Float[Tensor, "n t g"],
    baseline: Float[Tensor, "n t 1"],
    size: tuple[int, int],
) -> Maps:
    """Sum the groups' masks with signed gains: ReLU(sum_g (s_g - s_blur) H_g), H_g in [0, 1].

    H_g is the map in the units of its mask: min and max are those of the upsampled map.
    """
    full = upsample(maps.flatten(1, 2), size).reshape(*maps.shape[:3], *size)
    low, high = (f(dim=(-2, -1), keepdim=True) for f in (full.amin, full.amax))
    flat = is_constant(maps)
    masks = ((maps - low) / (high - low).masked_fill(flat, 1)).masked_fill(flat, 0)
    return torch.einsum("ntg,ntgij->ntij", scores - baseline, masks).relu()


@dataclass(frozen=True)
class GroupCAM(Recipe):
    """Group-CAM.

    Attributes:
        groups: into how many groups the channels are cut.
        variant: ``plain``; ``denoised``: the authors' later code keeps what lies above each group
            map's 70th percentile, sums the masks instead of the maps, and cuts negative values at
            the end only.
        chunk: masked images per forward pass.
    """

    name: ClassVar[str] = "group-cam"
    groups: int = field(default=32, metadata={"at_least": 1})
    variant: Variant = "plain"
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for gradients and for the scores of each group's mask over the blurred image."""
        maps = group_maps(probe.activations, probe.gradients, groups=self.groups)
        if self.variant == "denoised":
            maps = maps.where(maps > percentile(maps, 70), 0)
        blurred = gaussian_blur(probe.inputs, width=51, sigma=50.0)
        key = ("group-cam", self.groups, self.variant)
        scores = scores_of_own_masks(probe, key, maps, fill=blurred, chunk=self.chunk)
        baseline = probe.targets.masked_scores(probe.forward(blurred).unsqueeze(1))
        if self.variant == "denoised":
            return RawMaps(denoised_group_cam_map(maps, scores, baseline, probe.size))
        return RawMaps(group_cam_map(maps, scores, baseline), {"group_scores": scores - baseline})
