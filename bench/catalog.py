"""All groups, in the order in which they run."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

from bench import (
    groups_accelerate,
    groups_birds,
    groups_cape,
    groups_curve,
    groups_gradient,
    groups_masked,
    groups_noise,
    groups_ray,
    groups_startup,
    groups_tail,
)
from bench.groups import Group
from bench.settings import Settings

FILES = (
    groups_startup,
    groups_gradient,
    groups_masked,
    groups_birds,
    groups_tail,
    groups_noise,
    groups_cape,
    groups_accelerate,
    groups_ray,
    groups_curve,
)
ON_DEMAND = {"curve"}
LONG = {"accelerate"}


def groups(settings: Settings, only: Sequence[str] = ()) -> list[Group]:
    """Return the groups whose name, or name and network, match any pattern; all for none.

    The curve, which takes minutes, is measured only if it is named or everything is asked for;
    what is compiled, which takes one, is left out of a quick measurement.
    """
    found = [group for file in FILES for group in file.groups(settings)]
    if not only:
        left_out = set() if settings.full else ON_DEMAND | (LONG if settings.quick else set())
        return [one for one in found if one.name not in left_out]
    return [
        one
        for one in found
        if any(fnmatch(one.id, pattern) or fnmatch(one.name, pattern) for pattern in only)
    ]
