"""Colours for numbers: [0, 1] along a sequential table, signed values along a diverging one.

Choice: ``inferno`` for overlays. Its lightness rises in equal steps from black to pale yellow, so
equal differences of saliency look equal, also in grey print and to colour-blind eyes; laid over
a photograph it works as a light: what does not matter falls into the dark, what does stays warm
and legible. ``turbo`` and ``jet`` shout louder, but their bright bands in the middle draw outlines
that are not in the map, and their dark red end hides the peak.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import Float, UInt8

from regionwise.errors import InputError, SettingError, nearest

SEQUENTIAL = "inferno"
DIVERGING = "RdBu_r"


@cache
def colour_table(name: str, entries: int = 256) -> UInt8[np.ndarray, "entries 3"]:
    """Return matplotlib's colormap ``name`` as RGB in ``entries`` equal steps, read-only.

    Raises:
        SettingError: matplotlib has no colormap of that name.
    """
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and only its tables are needed

    if name not in mpl.colormaps:
        raise SettingError(f"no colormap {name!r}; {nearest(name, mpl.colormaps)}")
    rgba = mpl.colormaps[name].resampled(entries)(np.arange(entries))
    table: UInt8[np.ndarray, "entries 3"] = np.rint(rgba[:, :3] * 255).astype(np.uint8)
    table.flags.writeable = False
    return table


def colourise(
    saliency: Float[np.ndarray, "h w"], *, colours: str = SEQUENTIAL
) -> UInt8[np.ndarray, "h w 3"]:
    """Return the colour of each value v in [0, 1]: entry round(255 v) of the table, nothing else.

    Raises:
        InputError: a value is outside [0, 1] or not a number.
        SettingError: no such colormap.
    """
    if saliency.size and not (saliency.min() >= 0 and saliency.max() <= 1):  # also for NaN
        message = (
            f"saliency from {saliency.min():.4g} to {saliency.max():.4g} is not within [0, 1]; "
            f"normalise it first"
        )
        raise InputError(message)
    steps = np.rint(saliency.astype(np.float64) * 255).astype(np.intp)
    return colour_table(colours)[steps]


def colourise_signed(
    values: Float[np.ndarray, "h w"], *, limit: float | None = None, colours: str = DIVERGING
) -> UInt8[np.ndarray, "h w 3"]:
    """Return colours for signed values: -limit and +limit are the ends, 0 exactly the middle.

    The table has 257 entries so that it has a middle: entry 128 + round(128 v / limit). With
    ``limit`` None it is the largest magnitude, so that the scale stays symmetric; a map of zeros
    takes the middle colour.

    Raises:
        InputError: a value is not finite or beyond ``limit``.
        SettingError: no such colormap.
    """
    largest = float(np.abs(values).max(initial=0.0))
    if not np.isfinite(largest):
        raise InputError("signed values must be finite; the map holds NaN or infinity")
    limit = largest if limit is None else limit
    if largest > limit:
        raise InputError(f"a value of magnitude {largest:.4g} exceeds the limit {limit:.4g}")
    scaled = values.astype(np.float64) / (limit or 1.0)
    return colour_table(colours, 257)[128 + np.rint(scaled * 128).astype(np.intp)]
