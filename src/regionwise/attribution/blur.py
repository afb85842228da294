"""Gaussian blur that mirrors the picture at its border, however small the picture."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation


def gaussian_kernel(width: int, sigma: float) -> Float[Tensor, " width"]:
    """Return ``width`` samples of exp(-x^2 / (2 sigma^2)) around the middle, with sum one."""
    x = torch.arange(width, dtype=torch.float64) - (width - 1) / 2
    weights = torch.exp(-x.square() / (2 * sigma**2))
    return weights / weights.sum()


def mirrored(size: int, margin: int) -> Int[Tensor, " padded"]:
    """Return which pixel lies at -margin, ..., size - 1 + margin: ``c b | a b c | b a``.

    The border is not repeated; where the margin is wider than the picture, mirroring goes on.
    """
    period = max(2 * (size - 1), 1)
    places = torch.arange(-margin, size + margin) % period
    return torch.minimum(places, (period - places).clamp_min(0)) if size > 1 else places * 0


def gaussian_blur(
    images: Float[Tensor, "n c h w"], *, width: int = 51, sigma: float = 50.0
) -> Float[Tensor, "n c h w"]:
    """Blur every channel by a Gaussian of ``width`` x ``width`` pixels, mirrored at the border.

    Args:
        images: n c h w.
        width: of the window in pixels, odd.
        sigma: standard deviation in pixels.
    """
    n, c, h, w = images.shape
    margin = width // 2
    kernel = gaussian_kernel(width, sigma).to(images)
    planes = images.reshape(n * c, 1, h, w)
    planes = planes[:, :, mirrored(h, margin).to(images.device)]
    planes = planes[..., mirrored(w, margin).to(images.device)]
    planes = F.conv2d(F.conv2d(planes, kernel[None, None, :, None]), kernel[None, None, None])
    return planes.reshape(n, c, h, w)


def blurred_maps(maps: Float[Tensor, "n t h w"], sigma: float) -> Float[Tensor, "n t h w"]:
    """Blur maps by a Gaussian cut off at four standard deviations; ``sigma`` 0 leaves them."""
    if sigma == 0:
        return maps
    return gaussian_blur(maps, width=2 * max(1, round(4 * sigma)) + 1, sigma=sigma)
