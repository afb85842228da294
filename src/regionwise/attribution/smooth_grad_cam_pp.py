"""Smooth Grad-CAM++ (Omeiza et al. 2019), and what carries its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from regionwise.attribution.grad_cam_pp import grad_cam_pp_map
from regionwise.attribution.noise import noisy_copies, ranges
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.attribution.smooth_grad import check_level, mean_and_variance
from regionwise.errors import SettingError
from regionwise.evidence.masking import min_max
from regionwise.evidence.needs import GRADIENTS
from regionwise.evidence.probe import Probe
from regionwise.evidence.versions import each_version
from regionwise.shapes import Activations, Gradients, Maps

Variant = Literal["second-order", "first-order", "yiskw713", "torch-cam"]


def smooth_grad_cam_pp_map(
    activations: Activations,
    first: Gradients,
    second: Gradients,
    third: Gradients,
    *,
    variant: Variant = "second-order",
    summed: Activations | None = None,
) -> Maps:
    """Grad-CAM++ with mean derivatives: w_k = sum_ij alpha_kij ReLU(D1), ReLU(sum_k w_k A_k).

    alpha = D2 / (2 D2 + S_k D3), S_k = sum_ab A_kab, and 0 where the denominator is 0; Dp is the
    mean over noisy copies of the gradient to the power p. One copy without noise is Grad-CAM++.

    Args:
        activations: of the image, n k i j.
        first: D1, n t k i j; for ``torch-cam`` the last copy's gradient.
        second: D2, n t k i j.
        third: D3, n t k i j.
        variant: ``first-order``: D1 is the numerator of alpha, as torch-cam reports that the paper
            prints it; the size of the gradient is then lost. ``torch-cam``: sum_ab (A D3) for
            S_k D3. Others: as above.
        summed: activations that are summed in the end, where they are others (``torch-cam``).

    Returns:
        Maps n t i j, >= 0.

    Reference: Omeiza et al. 2019, Sec. 3.
    """
    planes = activations.unsqueeze(1)
    if variant == "torch-cam":
        last = (planes * third).sum(dim=(-2, -1), keepdim=True)
    else:
        last = planes.sum(dim=(-2, -1), keepdim=True) * third
    denominator = 2 * second + last
    numerator = first if variant == "first-order" else second
    alpha = (numerator / denominator.where(denominator != 0, 1)).where(denominator != 0, 0)
    weights = (alpha * first.relu()).sum(dim=(-2, -1))
    planes_of_the_map = activations if summed is None else summed
    return torch.einsum("ntk,nkij->ntij", weights, planes_of_the_map).relu()


@dataclass(frozen=True)
class SmoothGradCAMpp(Recipe):
    """Smooth Grad-CAM++.

    Attributes:
        samples: noisy copies; by default 25, for ``torch-cam`` 4.
        level: noise as a share of the image's range max - min, 0.15 by default. For ``yiskw713``
            the noise is level / range (that port divides); for ``torch-cam`` it is the standard
            deviation itself, 0.3 by default.
        variant: ``second-order``: see :func:`smooth_grad_cam_pp_map`, as ``first-order``.
            ``yiskw713``: mean of the copies' own Grad-CAM++ maps, each min-maxed. ``torch-cam``:
            mean squares and cubes, but the gradient and the activations of the last copy.
        seed: of the noise.
    """

    name: ClassVar[str] = "smooth-grad-cam++"
    samples: int | None = None
    level: float | None = None
    variant: Variant = "second-order"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse no copy, and a negative noise level."""
        super().__post_init__()
        check_level(self.name, self.level)
        if self.samples is not None and self.samples < 1:
            raise SettingError(
                f"setting 'samples' of {self.name!r} cannot be {self.samples}; give 1 or more"
            )

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for activations and gradients of every noisy copy."""
        if self.variant == "yiskw713":
            own = (grad_cam_pp_map(a, g, variant="local-sum") for a, g in self._copies(probe))
            return RawMaps(mean_and_variance(min_max(maps) for maps in own)[0])
        last: list[tuple[Activations, Gradients]] = []
        first, second, third = mean_and_variance(_powers(self._copies(probe), last))[0].unbind()
        if self.variant == "torch-cam":
            summed, first = last[0]
        else:
            summed = probe.activations
        maps = smooth_grad_cam_pp_map(
            probe.activations, first, second, third, variant=self.variant, summed=summed
        )
        return RawMaps(maps)

    def _copies(self, probe: Probe) -> Iterator[tuple[Activations, Gradients]]:
        """Yield activations and gradients of each noisy copy."""
        port = self.variant == "torch-cam"
        samples = self.samples if self.samples is not None else (4 if port else 25)
        level = self.level if self.level is not None else (0.3 if port else 0.15)
        spread = ranges(probe.inputs)
        if self.variant == "yiskw713":
            sigma = level / spread.where(spread > 0, 1)
        else:
            sigma = level * (torch.ones_like(spread) if port else spread)
        noisy = noisy_copies(probe.inputs, sigma, samples=samples, seed=self.seed)

        def ask(other: Probe) -> tuple[Activations, Gradients]:
            return other.activations, other.gradients

        found = each_version(probe, noisy, frozenset({GRADIENTS}), ask)
        yield from ((pair[0], pair[1]) for pair in found)


def _powers(
    copies: Iterator[tuple[Activations, Gradients]], last: list[tuple[Activations, Gradients]]
) -> Iterator[Tensor]:
    """Yield g, g^2 and g^3 of each copy, and leave the last copy in ``last``."""
    for pair in copies:
        last[:] = [pair]
        yield torch.stack([pair[1], pair[1].square(), pair[1] ** 3])
