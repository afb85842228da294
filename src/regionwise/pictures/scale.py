"""What the colours of a map stand for: 0 to 1, or as much against as for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float

PIXEL_PERCENTILE = 99.5
"""Of |v| over a map of pixels: few pixels are so strong that the others would look like zero."""


@dataclass(frozen=True)
class Scale:
    """The scale of a colour bar.

    Attributes:
        signed: from -limit to +limit, zero in the middle; otherwise from 0 to 1.
        limit: the magnitude at the ends of a signed scale; ``None`` where each map has its own.
        percentile: which percentile of the magnitudes the limit is; what lies beyond takes the
            colour of the end. 100: the largest.
    """

    signed: bool = False
    limit: float | None = None
    percentile: float = 100.0

    @property
    def ends(self) -> tuple[str, str]:
        """What is written at the left and at the right end of the colour bar."""
        if not self.signed:
            return "0", "1"
        size = "max" if self.limit is None else f"{self.limit:.2g}"
        return f"-{size}", f"+{size}"

    @property
    def note(self) -> str:
        """What there is to say about the limit; empty where it is the largest magnitude."""
        if not self.signed or self.percentile >= 100:
            return ""
        return f"pixel maps: {self.percentile:g}th percentile of |v|"


UNSIGNED: Final = Scale()
"""From 0 to 1."""


def signed_scale(values: Float[np.ndarray, "*any"], *, pixels: bool) -> Scale:
    """Return the scale for signed ``values``, symmetric around zero.

    The limit is the largest |v|; for a map of ``pixels`` the 99.5th percentile of |v| (the largest
    all the same where that percentile is zero).
    """
    sizes = np.abs(values)
    if pixels and sizes.size and (limit := float(np.percentile(sizes, PIXEL_PERCENTILE))) > 0:
        return Scale(signed=True, limit=limit, percentile=PIXEL_PERCENTILE)
    return Scale(signed=True, limit=float(sizes.max(initial=0.0)))


def shared_scales(scales: Iterable[Scale]) -> tuple[Scale, ...]:
    """Return one scale for each kind there is: 0 to 1 first, then signed.

    Signed scales with different limits become one without a number; its percentile is the lowest.
    """
    found = set(scales)
    plain = [scale for scale in found if not scale.signed]
    signed = [scale for scale in found if scale.signed]
    if len(signed) > 1:
        lowest = min(scale.percentile for scale in signed)
        signed = [replace(signed[0], limit=None, percentile=lowest)]
    return (*plain[:1], *signed)
