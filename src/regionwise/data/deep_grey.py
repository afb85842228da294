"""Greyscale of more than eight bits: what its numbers mean, and the same in eight bits."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from regionwise.errors import ImageError

_BITS: Final = 258
_MEANING: Final = 262
_LOW_IS_WHITE: Final = 0
_KIND: Final = 339
_SIGNED: Final = 2
"""Tags of TIFF, and values of them."""


def is_deep(image: Image.Image) -> bool:
    """Return whether a picture is grey, with more than eight bits."""
    return image.mode.startswith("I") or image.mode == "F"


def check_unsigned(opened: Image.Image, name: str) -> None:
    """Refuse a TIFF of signed eight bits, which Pillow would read as if there were no signs.

    Raises:
        ImageError: it is one.
    """
    if opened.mode == "L" and _tag(opened, _KIND) == _SIGNED:
        raise ImageError(f"{name!r} holds signed numbers of eight bits; save it with unsigned ones")


def as_eight_bits(opened: Image.Image, upright: Image.Image, name: str) -> Image.Image:
    """Scale the range of 12 or 16 bits, or floating point in [0, 1], to 0..255.

    Args:
        opened: as it was read; it knows what the numbers mean.
        upright: the same, turned as its EXIF says.
        name: of the file, for people.

    Raises:
        ImageError: values are out of range.
    """
    values = np.asarray(upright)
    top = _top(opened)
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= top):  # also true for NaN
        raise ImageError(
            f"{name!r} holds values from {low:g} to {high:g}; "
            f"give eight or sixteen bits a channel, or floating point in [0, 1]"
        )
    grey = np.rint(values * (255.0 / top))
    if _tag(opened, _MEANING) == _LOW_IS_WHITE:  # Pillow turns only eight bits
        grey = 255 - grey
    clear = opened.info.get("transparency")
    if isinstance(clear, int):
        grey[values == clear] = 255
    return Image.fromarray(grey.astype(np.uint8))


def _top(opened: Image.Image) -> float:
    if opened.mode == "F":
        return 1.0
    return 4095.0 if _tag(opened, _BITS) == 12 else 65535.0


def _tag(opened: Image.Image, number: int) -> object:
    """Return the first value of a tag of a TIFF; ``None`` of anything else."""
    value = getattr(opened, "tag_v2", {}).get(number)
    return value[0] if isinstance(value, tuple) and value else value
