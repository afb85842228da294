"""Pictures and arrays as bytes: the same bytes for the same content, whatever the clock says."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image

_RUNS: Final = 3
"""zlib's strategy ``Z_RLE``."""


def encode_png(picture: np.ndarray | Image.Image) -> bytes:
    """Return ``picture`` (uint8 h w 3, or a Pillow image) as a PNG without metadata."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    buffer = BytesIO()
    # runs alone are looked for: behind PNG's filters that gives smaller files, in two thirds of
    # the time
    image.save(buffer, format="PNG", compress_level=4, compress_type=_RUNS)
    return buffer.getvalue()


def encode_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return ``arrays`` (of numbers) as a compressed ``.npz``."""
    buffer = BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]  # its stub means allow_pickle
    return buffer.getvalue()
