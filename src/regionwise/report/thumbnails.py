"""Pictures inside a page: small, and as an address that holds them."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Final

import numpy as np
from jaxtyping import UInt8
from PIL import Image

SIDES: Final = ((600, 224), (1500, 160))
"""Up to so many pictures, so many pixels on their longer side."""

SMALLEST: Final = 112
QUALITY: Final = 72
"""Of WebP. At 112 to 224 pixels an overlay takes 1 to 10 kB."""


def side_for(pictures: int) -> int:
    """Return how large pictures may be, so that a page with so many can still be sent by mail."""
    return next((side for most, side in SIDES if pictures <= most), SMALLEST)


def address_of(picture: UInt8[np.ndarray, "h w 3"], side: int) -> str:
    """Return a picture, at most ``side`` pixels wide and high, as an address that holds it."""
    image = Image.fromarray(picture)
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    image.save(buffer, format="WEBP", quality=QUALITY, method=6)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
