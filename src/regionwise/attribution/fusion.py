"""Several layers, one map: coarse layers say what, fine layers say where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Final, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.result import Attribution, Flags, flags_of
from regionwise.errors import LayerError, SettingError
from regionwise.evidence.masking import resized
from regionwise.shapes import GridMaps

Fuse = Literal["mean", "max", "scaled-max"]

GAMMA: Final = 2.0
"""Steepness of the tanh that lifts the maps of shallow layers."""


def check_fuse(fuse: str) -> None:
    """Refuse a way to unite maps that does not exist.

    Raises:
        SettingError: names it.
    """
    if fuse not in get_args(Fuse):
        raise SettingError(f"fuse cannot be {fuse!r}; give one of {', '.join(get_args(Fuse))}")


def fuse_maps(
    maps: Sequence[Float[Tensor, "n t ..."]], fuse: str = "mean"
) -> Float[Tensor, "n t *s h w"]:
    """Bring maps to the finest of their grids, scale each by its maximum, and unite them.

    With M_l the map of layer l after interpolation and S_l = ReLU(M_l) / max ReLU(M_l), each map
    by itself: ``mean``: sum_l S_l / L. ``max``: max_l S_l, cell by cell. ``scaled-max``: the same
    with tanh(2 S_l) for S_l at shallow layers. A map that is nowhere positive, or has one value
    everywhere, is blank: S_l = 0.

    Args:
        maps: of each layer n t i j (or n t d i j); negative values, which speak against the
            target, are cut off, for there is no sign that several layers share.
        fuse: how they are united.

    Returns:
        Maps in [0, 1], of as many rows and columns as the finest have.

    Raises:
        SettingError: an unknown way to unite them.

    Reference: Jiang et al. 2021 (Layer-CAM), fusion of stages: tanh(gamma M / max M), gamma = 2.
    Choice: shallow is every layer with more cells than the coarsest of those given, so that layers
    of one stage are treated alike; where all have the same grid, as in a transformer, none is.
    """
    check_fuse(fuse)
    sizes = [tuple(m.shape[2:]) for m in maps]
    finest = tuple(max(lengths) for lengths in zip(*sizes, strict=True))
    scaled = torch.stack([_shares_of_maximum(m, finest) for m in maps])
    if fuse == "mean":
        return scaled.mean(dim=0)
    if fuse == "scaled-max":
        cells = [prod(size) for size in sizes]
        lifted = (GAMMA * scaled).tanh().unbind()
        layers = zip(lifted, scaled, cells, strict=True)
        scaled = torch.stack([up if z > min(cells) else plain for up, plain, z in layers])
    return scaled.amax(dim=0)


def fused(found: Sequence[Attribution], fuse: str) -> Attribution:
    """Return one attribution of what a method said at several layers.

    ``details`` keeps, by layer, the raw ``maps``, the ``flags`` that tell which of them were blank
    and added nothing, and the method's own ``details``. The fused map is flagged with what is true
    of it, and of all layers.

    Raises:
        LayerError: a layer was given twice.
        SettingError: an unknown way to unite them.
    """
    layers = [one.layer for one in found]
    twice = sorted({layer for layer in layers if layers.count(layer) > 1})
    if twice:
        raise LayerError(f"layer {twice[0]!r} was given twice; give each layer once")
    maps = fuse_maps([one.maps for one in found], fuse)
    return replace(
        found[0],
        maps=maps,
        layer=" + ".join(layers),
        flags=_shared_flags(flags_of(maps), [one.flags for one in found]),
        details={
            "fuse": fuse,
            "maps": {one.layer: one.maps for one in found},
            "flags": {one.layer: one.flags for one in found},
            "details": {one.layer: one.details for one in found},
        },
        signed=False,
        exact=False,
    )


def _shares_of_maximum(maps: GridMaps, size: tuple[int, ...]) -> Float[Tensor, "n t *s h w"]:
    """Interpolate, cut negative values, divide each map by its maximum; a blank one is zero."""
    flat = resized(maps, size).relu().flatten(2)
    top = flat.amax(dim=2, keepdim=True)
    blank = (top <= 0) | (maps.flatten(2).amin(2) == maps.flatten(2).amax(2)).unsqueeze(2)
    shares = (flat / top.masked_fill(blank, 1)).masked_fill(blank, 0)
    return shares.reshape(*maps.shape[:2], *size)


def _shared_flags(own: Flags, of_layers: Sequence[Flags]) -> Flags:
    """Add to each map's reasons those that all layers give."""
    return tuple(
        tuple(
            tuple(dict.fromkeys((*reasons, *_common([flags[n][t] for flags in of_layers]))))
            for t, reasons in enumerate(row)
        )
        for n, row in enumerate(own)
    )


def _common(reasons: Sequence[tuple[str, ...]]) -> list[str]:
    return [reason for reason in reasons[0] if all(reason in others for others in reasons)]
