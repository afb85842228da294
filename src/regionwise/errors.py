"""Every error that Regionwise raises on purpose.

::

    RegionwiseError
    ├── InputError        what was given cannot be used
    │   ├── ImageError      a file or array that is no usable image
    │   ├── TargetError     a class or score that cannot be explained
    │   └── DataError       a data set folder that is incomplete or contradicts itself
    ├── ModelError        the network cannot be explained this way
    │   ├── LayerError      the layer does not exist, did not run, or is not spatial
    │   └── WeightsError    weights that cannot be read or do not fit
    ├── SettingError      a name or a setting that does not exist, or is out of range
    └── OutputError       a result that cannot be written

Each message is one sentence or two: the value that was met, what would have been allowed, and
the likely fix. The command prints it without a traceback and exits with code 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RegionwiseError(Exception):
    """The root of the tree."""


class InputError(RegionwiseError, ValueError):
    """What was given cannot be used."""


class ImageError(InputError):
    """A file or array that is no usable image."""


class TargetError(InputError):
    """A class or score that cannot be explained."""


class DataError(InputError):
    """A data set folder that is incomplete or contradicts itself."""


class ModelError(RegionwiseError):
    """The network cannot be explained this way."""


class LayerError(ModelError):
    """The layer does not exist, did not run, or is not spatial."""


class WeightsError(ModelError):
    """Weights that cannot be read or do not fit."""


class SettingError(RegionwiseError, ValueError):
    """A name or a setting that does not exist, or is out of range."""


class OutputError(RegionwiseError):
    """A result that cannot be written."""


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return a hint such as ``did you mean 'grad-cam', 'xgrad-cam'?`` or a list of what exists."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=count, cutoff=0.5)
    if close:
        return "did you mean " + ", ".join(repr(c) for c in close) + "?"
    shown = ", ".join(repr(k) for k in known[:12])
    more = f" and {len(known) - 12} more" if len(known) > 12 else ""
    return f"known: {shown}{more}" if known else "none is known"
