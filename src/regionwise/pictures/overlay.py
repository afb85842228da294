"""A saliency map as a picture, alone or blended over its image."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from regionwise.errors import InputError, SettingError
from regionwise.pictures.colour import SEQUENTIAL, colourise, colourise_signed

ALPHA = 0.5
"""The map's share in an overlay: the image stays legible where the map is dark."""

SIGNED_ALPHA = 0.65
"""The same for a signed map, whose colours lie over a grey image and are pale near zero."""


def heatmap(
    saliency: Float[np.ndarray, "h w"], *, colours: str = SEQUENTIAL
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the colours of ``saliency`` in [0, 1] by themselves.

    Raises:
        InputError: a value is outside [0, 1] or not a number.
        SettingError: no such colormap.
    """
    return colourise(saliency, colours=colours)


def signed_heatmap(
    values: Float[np.ndarray, "h w"], *, limit: float | None = None
) -> UInt8[np.ndarray, "h w 3"]:
    """Return signed values as red for positive, blue for negative, and white for zero.

    Raises:
        InputError: a value is not finite or beyond ``limit``.
    """
    return colourise_signed(values, limit=limit)


def overlay(
    image: UInt8[np.ndarray, "h w 3"],
    saliency: Float[np.ndarray, "h w"],
    *,
    alpha: float = ALPHA,
    colours: str = SEQUENTIAL,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return (1 - alpha) image + alpha colour(saliency), rounded, RGB in and RGB out.

    The blend is linear in the stored values and the same everywhere: neither the map nor the
    sum is rescaled, so that two overlays of one image can be compared by eye.

    Raises:
        InputError: the sizes differ, or a value of ``saliency`` is outside [0, 1].
        SettingError: ``alpha`` is outside [0, 1], or no such colormap.
    """
    _check(image, saliency, alpha)
    blend = (1 - alpha) * image + alpha * colourise(saliency, colours=colours)
    return np.rint(blend).astype(np.uint8)


def signed_overlay(
    image: UInt8[np.ndarray, "h w 3"],
    values: Float[np.ndarray, "h w"],
    *,
    limit: float | None = None,
    alpha: float = SIGNED_ALPHA,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return (1 - alpha) grey(image) + alpha colour(v / limit), rounded.

    Red speaks for, blue against. The image loses its colours, so that all colour is the map's:
    where the map is zero, grey is blended with near-white, and what is left is the image, paler.
    grey is 0.299 R + 0.587 G + 0.114 B. Values beyond the ``limit`` (by default the largest
    magnitude) take the colour of the end.

    Raises:
        InputError: the sizes differ, or a value is not finite.
        SettingError: ``alpha`` is outside [0, 1].
    """
    _check(image, values, alpha)
    kept = values if limit is None else np.clip(values, -limit, limit)
    blend = (1 - alpha) * grey_of(image) + alpha * colourise_signed(kept, limit=limit)
    pixels: np.ndarray = np.rint(blend).astype(np.uint8)
    return pixels


def grey_of(image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 1"]:
    """Return 0.299 R + 0.587 G + 0.114 B, not rounded."""
    grey: np.ndarray = image @ np.array([0.299, 0.587, 0.114])
    return grey[..., None]


def _check(image: np.ndarray, values: np.ndarray, alpha: float) -> None:
    if not 0 <= alpha <= 1:
        raise SettingError(f"alpha {alpha} is not within [0, 1]")
    if image.shape[:2] != values.shape:
        message = f"an image of {_size(image)} and a map of {_size(values)} pixels do not match"
        raise InputError(f"{message}; ask the map for the image's size")


def _size(array: np.ndarray) -> str:
    return f"{array.shape[0]} x {array.shape[1]}"
