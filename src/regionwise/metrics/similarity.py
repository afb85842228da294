"""How alike two maps are: rank correlation, with sign or without, and structural similarity."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.errors import InputError
from regionwise.metrics.coherency import correlation

Similarity: TypeAlias = Literal["spearman", "spearman-abs", "ssim"]

WINDOW = 11
"""Side of the window of SSIM in pixels."""


def average_ranks(values: Float[Tensor, "n m"]) -> Float[Tensor, "n m"]:
    """Return the ranks 1..m of each row; equal values share the mean of theirs."""
    ordered = values.sort(dim=1).values
    below = torch.searchsorted(ordered, values.contiguous())
    upto = torch.searchsorted(ordered, values.contiguous(), right=True)
    return (below + upto + 1).double() / 2


def spearman(
    first: Float[Tensor, "n h w"], second: Float[Tensor, "n h w"], *, absolute: bool = False
) -> Float[Tensor, " n"]:
    """Return Spearman's rank correlation over the pixels of each pair of maps, -1 to 1.

    ``absolute`` ranks magnitudes. NaN where a map, or its magnitude, is constant.

    Reference: Adebayo et al. 2018, Sanity checks for saliency maps, section 3.
    """
    ranks = []
    for maps in (first, second):
        flat = (maps.abs() if absolute else maps).flatten(1)
        ranks.append(average_ranks(flat).reshape(maps.shape))
    return correlation(*ranks)


def ssim(
    first: Float[Tensor, "n h w"],
    second: Float[Tensor, "n h w"],
    *,
    data_range: float = 1.0,
    window: int = WINDOW,
    sigma: float = 1.5,
) -> Float[Tensor, " n"]:
    """Return the mean structural similarity of each pair of maps, -1 to 1.

    SSIM = (2 m_a m_b + C_1) (2 s_ab + C_2) / ((m_a^2 + m_b^2 + C_1) (s_a^2 + s_b^2 + C_2)), with
    local means and (co)variances under a Gaussian of ``sigma`` in a window of odd side, C_1 =
    (0.01 L)^2, C_2 = (0.03 L)^2 and L the ``data_range``; the mean is over all places at which the
    window fits.

    Raises:
        InputError: the maps are smaller than the window, or of different shape.

    Reference: Wang, Bovik, Sheikh and Simoncelli 2004, Image quality assessment, Eq. 13.
    """
    if first.shape != second.shape or min(first.shape[1:]) < window or window % 2 == 0:
        raise InputError(
            f"SSIM needs two maps of one shape, {window} x {window} at least (an odd side), not"
            f" {tuple(first.shape)} and {tuple(second.shape)}; resize them to the image first"
        )
    a, b = first.double()[:, None], second.double()[:, None]
    places = torch.arange(window, device=a.device, dtype=torch.float64) - window // 2
    bell = torch.exp(-(places**2) / (2 * sigma**2))
    bell = bell / bell.sum()

    def local(maps: Tensor) -> Tensor:
        return F.conv2d(F.conv2d(maps, bell[None, None, :, None]), bell[None, None, None])

    mean_a, mean_b = local(a), local(b)
    cov = local(a * b) - mean_a * mean_b
    var_a, var_b = local(a * a) - mean_a**2, local(b * b) - mean_b**2
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    above = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    below = (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    found: Tensor = (above / below).mean(dim=(1, 2, 3))
    return found
