"""UnionCAM (Hu et al. 2024): denoise the gradients, unite two maps, select one."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from regionwise.attribution.own_masks import scores_of_own_masks
from regionwise.attribution.percentile import percentile
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.attribution.score_cam import score_cam_map
from regionwise.errors import SettingError
from regionwise.evidence.masking import is_constant, min_max, minmax_masks
from regionwise.evidence.probe import Probe
from regionwise.registry import CHUNKED
from regionwise.shapes import Activations, Gradients, Maps, Scores

Alpha = Literal["sum", "count"]
Scale = Literal["min-max", "raw"]
Negative = Literal["region", "printed"]


def denoised_gradients(gradients: Gradients, theta: float = 10.0) -> Gradients:
    """Put 0 where a gradient lies below its channel's ``theta`` percentile (AMD).

    Reference: Hu et al. 2024, Eq. 1.
    """
    return gradients.where(gradients >= percentile(gradients, theta), 0)


def denoised_map(activations: Activations, denoised: Gradients, *, alpha: Alpha = "sum") -> Maps:
    """Weigh every cell by its share of its channel's positive gradients.

    L = sum_k alpha_k o ReLU(W_k) o A_k.

    Args:
        activations: n k i j.
        denoised: what :func:`denoised_gradients` left, n t k i j.
        alpha: ``sum``: alpha_k = 1 / sum of the positive W_k, as printed: every channel with any
            positive gradient weighs 1 in total. ``count``: 1 / number of positive W_k, which the
            words "pixel-level average" would allow, and which keeps the gradient's size.

    Reference: Hu et al. 2024, Eq. 2 and 3.
    """
    positive = denoised.relu()
    counted = positive if alpha == "sum" else (positive > 0).to(positive.dtype)
    total = counted.sum(dim=(-2, -1), keepdim=True)
    shares = positive / total.where(total > 0, 1)
    return torch.einsum("ntkij,nkij->ntij", shares, activations)


def union_map(denoised: Maps, region: Maps, beta_denoised: Scores, beta_region: Scores) -> Maps:
    """Add two maps, each weighed by what it scores: beta_D L_D + beta_R L_R (AMU).

    If both weights are negative the union is a negative map.

    Reference: Hu et al. 2024, Eq. 6.
    """
    return beta_denoised[..., None, None] * denoised + beta_region[..., None, None] * region


def select_map(
    united: Maps, region: Maps, beta_united: Scores, beta_region: Scores
) -> tuple[Maps, Bool[Tensor, "n t"]]:
    """Choose the union where it scores more than the region map, the region map otherwise (AMS).

    Returns:
        The chosen maps, and where the union was chosen. A tie goes to the region map.

    Reference: Hu et al. 2024, Eq. 8.
    """
    chosen = beta_united > beta_region
    return united.where(chosen[..., None, None], region), chosen


@dataclass(frozen=True)
class UnionCAM(Recipe):
    """UnionCAM; its three modules can be switched off one by one.

    Attributes:
        theta: percentile below which gradients are noise, 0 to 100.
        alpha: see :func:`denoised_map`.
        scale: ``min-max``: both maps lie in [0, 1] before they are united, as they do when they are
            masks and get their weights; ``raw``: they keep their own scales.
        denoise: AMD; without it gradients stay as they are.
        unite: AMU; without it the denoised map stands for the union.
        select: AMS; without it there is nothing to choose from.
        negative: where both weights are negative the union is a negative map, whose mask shows the
            background. ``region``: it is not chosen there; ``printed``: it may be, as in Eq. 8.
        chunk: masked images per forward pass.
    """

    name: ClassVar[str] = "union-cam"
    theta: float = 10.0
    alpha: Alpha = "sum"
    scale: Scale = "min-max"
    denoise: bool = True
    unite: bool = True
    select: bool = True
    negative: Negative = "region"
    chunk: int | None = field(default=None, metadata=CHUNKED)

    def __post_init__(self) -> None:
        """Refuse a percentile that is none."""
        super().__post_init__()
        if not 0 <= self.theta <= 100:
            raise SettingError(
                f"setting 'theta' of 'union-cam' is a percentile from 0 to 100, not {self.theta}"
            )

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for gradients and for the scores of each channel's and each map's mask."""
        found = self._two_maps(probe)
        denoised, region = (self._scaled(found[name]) for name in ("denoised", "region"))
        found["beta_denoised"] = self._contribution(probe, denoised, "denoised")
        found["beta_region"] = self._contribution(probe, region, "region")
        united, beta = denoised, found["beta_denoised"]
        if self.unite:
            united = union_map(denoised, region, beta, found["beta_region"])
        if not self.select:
            return RawMaps(united, found)
        if self.unite:
            beta = self._contribution(probe, united, "united")
        maps, chosen = select_map(united, region, self._rival(found, beta), found["beta_region"])
        found |= {"united": united, "beta_united": beta, "chose_united": chosen}
        return RawMaps(maps, found)

    def _two_maps(self, probe: Probe) -> dict[str, Any]:
        gradients = probe.gradients
        if self.denoise:
            gradients = denoised_gradients(gradients, self.theta)
        # the masks and the key of Score-CAM: asked for together, they are scored once
        gate = partial(minmax_masks, size=probe.size, align_corners=False, order="upsample-first")
        masked = probe.masked_logits(("min-max", False, "upsample-first"), gate, chunk=self.chunk)
        varying = ~is_constant(probe.activations)[:, None, :, 0, 0]
        weights = probe.targets.masked_scores(masked) * varying
        return {
            "denoised": denoised_map(probe.activations, gradients, alpha=self.alpha),
            "region": score_cam_map(probe.activations, weights, relu=False),
        }

    def _rival(self, found: dict[str, Any], beta: Scores) -> Scores:
        """Return what the union scores; a tie where both of its weights are negative."""
        weights = found["beta_denoised"], found["beta_region"]
        hopeless = (weights[0] < 0) & (weights[1] < 0)
        return beta if self.negative == "printed" else weights[1].where(hopeless, beta)

    def _scaled(self, maps: Maps) -> Maps:
        return min_max(maps) if self.scale == "min-max" else maps

    def _contribution(self, probe: Probe, maps: Maps, which: str) -> Scores:
        """Return f_c(L o I) - f_c(I_b), Eq. 4, 5 and 7; I_b is 0 in the units of the inputs."""
        key = ("union-cam", self.id, which)
        scores = scores_of_own_masks(probe, key, maps.unsqueeze(2), chunk=self.chunk)
        blank = probe.targets.masked_scores(probe.baseline_logits().unsqueeze(1))
        return (scores - blank).squeeze(2)
