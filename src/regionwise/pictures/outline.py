"""The border of a region, drawn on a picture."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, UInt8

LIGHT = (255, 255, 255)
DARK = (200, 0, 120)


def outlined(
    image: UInt8[np.ndarray, "h w 3"], region: Bool[np.ndarray, "h w"], *, width: int = 1
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the picture with a line around the region, of two colours to show on any ground.

    Pixels of the region within ``width`` of its border become dark, those outside within ``width``
    light. The border of the picture is none of the region.
    """
    found = image.copy()
    found[grown(region, width) & ~region] = LIGHT
    found[region & grown(~region, width)] = DARK
    return found


def grown(region: Bool[np.ndarray, "h w"], width: int) -> Bool[np.ndarray, "h w"]:
    """Return the pixels within ``width`` steps, up, down, left or right, of the region."""
    found: np.ndarray = region.copy()
    for _ in range(width):
        padded = np.pad(found, 1)
        found = (
            padded[1:-1, 1:-1]
            | padded[:-2, 1:-1]
            | padded[2:, 1:-1]
            | padded[1:-1, :-2]
            | padded[1:-1, 2:]
        )
    return found
