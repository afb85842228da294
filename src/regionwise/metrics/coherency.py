"""Coherency (Poppi et al. 2021): does the map stay when only its own part is shown?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.metrics.altered import Fill, kept_images, kept_key
from regionwise.metrics.case import Case
from regionwise.metrics.recipe import Metric, Values

Scale: TypeAlias = Literal["half", "printed", "third-party"]


def correlation(
    first: Float[Tensor, "n h w"], second: Float[Tensor, "n h w"]
) -> Float[Tensor, " n"]:
    """Return Pearson's rho over the pixels of each pair of maps; NaN if either is constant."""
    a, b = (maps.flatten(1).double() for maps in (first, second))
    flat = (a.amin(dim=1) == a.amax(dim=1)) | (b.amin(dim=1) == b.amax(dim=1))
    a, b = (values - values.mean(dim=1, keepdim=True) for values in (a, b))
    norms = (a.square().sum(dim=1) * b.square().sum(dim=1)).sqrt()
    rho = (a * b).sum(dim=1) / norms.masked_fill(flat, 1)
    return rho.clamp(-1, 1).masked_fill(flat, torch.nan)


def coherency(
    saliency: Float[Tensor, "n h w"], again: Float[Tensor, "n h w"], *, scale: Scale = "half"
) -> Float[Tensor, " n"]:
    """Return (rho + 1) / 2 between a map and the map of what it shows; 0 where rho is undefined.

    Args:
        saliency: E, n h w.
        again: E', the map of the same class on E x, n h w.
        scale: ``half``; ``printed`` is 2 rho + 1 (CAPE's text, -1 to 3); ``third-party`` is
            (2 rho + 1) / 2, as a port of CAPE has it.

    Reference: Poppi et al. 2021, Eq. 3, and code.
    """
    rho = correlation(saliency, again)
    scaled = {"half": (rho + 1) / 2, "printed": 2 * rho + 1, "third-party": (2 * rho + 1) / 2}
    return scaled[scale].nan_to_num(nan=0.0)


def again_on_kept(case: Case, fill: Fill) -> Float[Tensor, "n h w"]:
    """Return E': the same method's saliency, for the targets, of what E keeps of the images."""
    return case.explained(kept_key("soft", fill), lambda: kept_images(case, fill=fill))


@dataclass(frozen=True)
class Coherency(Metric):
    """Coherency; the method explains once more.

    Attributes:
        scale: see :func:`coherency`.
        fill: what removed pixels become.
    """

    name: ClassVar[str] = "coherency"
    scale: Scale = "half"
    fill: Fill = "mean"

    def measure(self, case: Case) -> Values:
        """Explain what the map keeps, and compare."""
        again = again_on_kept(case, self.fill)
        return Values(coherency(case.saliency, again, scale=self.scale))
