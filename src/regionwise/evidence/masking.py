"""Masks over the image, made from activations, and what the masked image is."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.shapes import Activations, Inputs

MinMaxOrder = Literal["upsample-first", "minmax-first"]


def upsample(
    maps: Float[Tensor, "n k i j"], size: tuple[int, int], *, align_corners: bool = False
) -> Float[Tensor, "n k h w"]:
    """Interpolate bilinearly to ``size`` = (rows, columns); constants stay so, up to rounding."""
    if tuple(maps.shape[-2:]) == size:
        return maps
    return F.interpolate(maps, size, mode="bilinear", align_corners=align_corners)


def resized(maps: Float[Tensor, "n t *d i j"], size: tuple[int, ...]) -> Tensor:
    """Interpolate to ``size``: bilinearly to rows and columns, trilinearly with slices before them.

    Returns n t h w, or n t d h w.
    """
    if tuple(maps.shape[2:]) == size:
        return maps
    mode = "bilinear" if len(size) == 2 else "trilinear"
    return F.interpolate(maps, size, mode=mode, align_corners=False)


def min_max(
    maps: Float[Tensor, "*b h w"], *, constant: Bool[Tensor, "*b 1 1"] | None = None
) -> Float[Tensor, "*b h w"]:
    """Shift and scale each map to [0, 1]: (m - min m) / (max m - min m) over the last two axes.

    Maps marked ``constant``, by default those that are, become zero.
    """
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    flat = low == high if constant is None else constant | (low == high)
    scaled = (maps - low) / (high - low).masked_fill(flat, 1)
    return scaled.masked_fill(flat, 0) if flat.any() else scaled


def is_constant(maps: Float[Tensor, "*b h w"]) -> Bool[Tensor, "*b 1 1"]:
    """Say which maps have one value everywhere. Ask before interpolating: that rounds."""
    return maps.amin(dim=(-2, -1), keepdim=True) == maps.amax(dim=(-2, -1), keepdim=True)


def minmax_masks(
    activations: Activations,
    size: tuple[int, int],
    *,
    align_corners: bool = False,
    order: MinMaxOrder = "upsample-first",
) -> Float[Tensor, "n k h w"]:
    """Turn every channel into a mask in [0, 1] at ``size``; a constant channel keeps nothing.

    Reference: Wang et al. 2020 (Score-CAM), Eq. 3-4: H_k = s(Up(A_k)).
    Choice: the paper and its code upsample first; ``order="minmax-first"`` is torch-cam's.
    """
    if order == "minmax-first":
        return upsample(min_max(activations), size, align_corners=align_corners)
    full = upsample(activations, size, align_corners=align_corners)
    return min_max(full, constant=is_constant(activations))


def apply_mask(
    inputs: Inputs, keep: Float[Tensor, "n m h w"], fill: Float[Tensor, "*any"] | float = 0.0
) -> Float[Tensor, "n m c h w"]:
    """Keep where ``keep`` is 1, put ``fill`` where it is 0: keep x + (1 - keep) fill.

    ``fill`` is in the units of ``inputs``; 0 is the mean colour of a normalised input.
    """
    kept, image = keep.unsqueeze(2), inputs.unsqueeze(1)
    if isinstance(fill, float) and fill == 0.0:
        return kept * image
    return kept * image + (1 - kept) * fill


def masked_into(
    room: Float[Tensor, "m c h w"],
    image: Float[Tensor, "c h w"],
    keep: Float[Tensor, "m h w"],
    fill: Float[Tensor, "c h w"] | float = 0.0,
) -> None:
    """Write one image under each of some masks into ``room``, as :func:`apply_mask` makes it."""
    kept = keep.to(room.dtype).unsqueeze(1)
    torch.mul(kept, image, out=room)
    if isinstance(fill, Tensor) or fill != 0.0:
        room.add_((1 - kept) * fill)
