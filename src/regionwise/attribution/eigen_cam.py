"""Eigen-CAM (Muhammad and Yeasin 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.masking import is_constant
from regionwise.evidence.probe import Probe
from regionwise.shapes import Activations

Variant = Literal["paper", "centred"]

_NO_LEANING: Final = 1e-5
"""Cosine to the strength of the activations below which that does not decide the sign."""


def eigen_cam_map(
    activations: Activations, *, variant: Variant = "paper"
) -> Float[Tensor, "n i j"]:
    """Project the channels of every cell on their first principal axis: M = O v_1, O = U S V^T.

    O holds the activations as cells x channels, v_1 is its first right singular vector. It comes
    from the smaller of the two Gram matrices, O O^T (cells) or O^T O (channels).

    Args:
        activations: n k i j.
        variant: ``paper``: O as it is; ``centred``: every channel's mean over the cells is
            subtracted first, as pytorch-grad-cam does.

    Returns:
        Signed maps n i j, the same for every class.

    Reference: Muhammad and Yeasin 2020, L_Eigen-CAM = O V_1.
    Choice: a singular vector has no sign of its own. It is chosen so that the map goes with the
    strength of the activations, mean_k |A_k|: their inner product is positive. Activations that
    are nowhere negative, of which this is the mean, then give a map that is nowhere negative.
    Where the product says nothing, the value farthest from zero is positive.
    """
    n, k, rows, columns = activations.shape
    wide = activations.to(torch.promote_types(activations.dtype, torch.float32))
    cells = (wide if variant == "paper" else _centred(wide)).reshape(n, k, rows * columns)
    if k <= rows * columns:
        axis = torch.linalg.eigh(cells @ cells.mT).eigenvectors[:, :, -1:]
        projected = axis.mT @ cells
    else:
        found = torch.linalg.eigh(cells.mT @ cells)
        length = found.eigenvalues[:, None, -1:].relu().sqrt()
        projected = (found.eigenvectors[:, :, -1:] * length).mT
    strength = wide.abs().mean(dim=1).flatten(1)
    signed: Tensor = projected[:, 0] * _sign(projected[:, 0], strength)
    return signed.reshape(n, rows, columns).to(activations.dtype)


def _centred(activations: Activations) -> Activations:
    """Subtract each channel's mean; a constant channel becomes zero without a rest of rounding."""
    centred = activations - activations.mean(dim=(-2, -1), keepdim=True)
    return centred.masked_fill(is_constant(activations), 0)


def _sign(projected: Float[Tensor, "n z"], strength: Float[Tensor, "n z"]) -> Float[Tensor, "n 1"]:
    """Return +1 or -1 per map, by its leaning to the strength or else by its farthest value."""
    product = (projected * strength).sum(dim=1, keepdim=True)
    scale = projected.norm(dim=1, keepdim=True) * strength.norm(dim=1, keepdim=True)
    farthest = projected.gather(1, projected.abs().argmax(dim=1, keepdim=True))
    deciding = product.where(product.abs() > _NO_LEANING * scale, farthest)
    return torch.ones_like(deciding).where(deciding >= 0, -1)


@dataclass(frozen=True)
class EigenCAM(Recipe):
    """Eigen-CAM; ``variant=centred`` subtracts every channel's mean first."""

    name: ClassVar[str] = "eigen-cam"
    variant: Variant = "paper"

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the activations alone; every target gets the same map."""
        maps = eigen_cam_map(probe.activations, variant=self.variant)
        return RawMaps(maps.unsqueeze(1).repeat(1, probe.targets.count, 1, 1))
