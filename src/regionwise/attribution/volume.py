"""Volumes as pictures: some of their slices, side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import InputError
from regionwise.evidence.masking import resized

if TYPE_CHECKING:
    from regionwise.attribution.result import Attribution

AT_MOST: Final = 9
"""Slices in a picture."""


def shown_slices(count: int, *, at_most: int = AT_MOST) -> list[int]:
    """Return which of ``count`` slices are shown: all, or ``at_most`` from the first to the last.

    They are evenly spaced, up to rounding.
    """
    if count <= at_most:
        return list(range(count))
    places: list[int] = torch.linspace(0, count - 1, at_most).round().long().tolist()
    return places


def strip(volumes: Float[Tensor, "n c d h w"], slices: list[int]) -> Float[Tensor, "n c h sw"]:
    """Lay some slices of volumes side by side, n c h (s w)."""
    return volumes[:, :, slices].transpose(2, 3).flatten(3)


def flat(attribution: Attribution, images: Tensor | None) -> tuple[Attribution, Tensor | None]:
    """Return an attribution of strips for an attribution of volumes; others as they are.

    The map is interpolated to the size of the volume first. What is drawn of it is scaled by the
    slices that are shown.

    Raises:
        InputError: images that are no volumes, or not as many.
    """
    shown = attribution.images if images is None else images
    if attribution.maps.dim() == 4 or shown is None:
        return attribution, shown
    if shown.dim() != 5 or len(shown) != len(attribution):
        raise InputError(
            f"the images must be volumes ({len(attribution)}, 3, d, h, w) or grey, not"
            f" {tuple(shown.shape)}"
        )
    slices = shown_slices(shown.shape[2])
    maps = strip(resized(attribution.maps, tuple(shown.shape[2:])), slices)
    pictures = strip(shown, slices)
    size = (int(maps.shape[2]), int(maps.shape[3]))
    return replace(attribution, maps=maps, size=size, images=pictures), pictures
