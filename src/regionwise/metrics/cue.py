"""Cue localisation between two classes: the map of the difference, and where the cue is.

Two classes that differ in few parts should differ in their maps exactly there.

Reference: Kim, Choe, Akata and Oh 2021, Keep CALM and Improve Visual Feature Attribution, section
5.2.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from regionwise.attribution.scaling import saliency_of
from regionwise.data.birds.vocabulary import MEMBERS, PART_IDS, UNITED_PARTS
from regionwise.data.cub import part_differences
from regionwise.errors import InputError
from regionwise.shapes import Maps

Order: TypeAlias = Literal["normalise-first", "difference-first"]
CueNorm: TypeAlias = Literal["min-max", "max", "image", "none"]
Pair: TypeAlias = tuple[int, int]

_POINTS = tuple((part, MEMBERS[part]) for part in UNITED_PARTS)


def cue_map(
    maps: Maps,
    size: tuple[int, int],
    *,
    order: Order = "normalise-first",
    normalize: CueNorm = "min-max",
) -> Float[Tensor, "n h w"]:
    """Return |s_A - s_B| at ``size`` from the raw maps of two classes, n 2 i j.

    ``normalise-first`` brings both maps to the size and into [0, 1] and subtracts them;
    ``difference-first`` subtracts the raw maps, resizes, takes the magnitude, and normalises that.
    ``image`` scales both maps of an image together; ``none`` does not scale.

    Raises:
        InputError: there are not two maps per image.

    Reference: Kim et al. 2021, section 5.2.
    Choice: the paper's order; its code subtracts raw maps, then min-maxes (CAM) or does nothing
    (CALM). Where pixels of images are pooled, the scales of the images matter.
    """
    if maps.shape[1] != 2:
        raise InputError(f"the maps of two classes are wanted, n 2 i j, not {tuple(maps.shape)}")
    scale = None if normalize == "none" else normalize
    if order == "normalise-first":
        both = saliency_of(maps, size, scale)
        return (both[:, 0] - both[:, 1]).abs()
    raw = saliency_of(maps[:, :1] - maps[:, 1:], size, None).abs()
    return saliency_of(raw, size, scale)[:, 0]


def class_pairs(
    class_attributes: NDArray[np.float64],
    counts: Collection[int] = (1, 2, 3),
    *,
    threshold: float = 50.0,
) -> dict[Pair, frozenset[str]]:
    """Return the pairs of classes that differ in 1, 2 or 3 united parts, and these parts.

    ``class_attributes`` is (classes, 312) in 0..100; classes count from 0. Pairs come by the number
    of parts, then by class.

    Reference: Kim et al. 2021, section 5.2: 31, 64 and 96 pairs of CUB-200-2011.
    """
    found = part_differences(class_attributes, threshold)
    kept = [(len(parts), pair) for pair, parts in found.items() if len(parts) in set(counts)]
    return {pair: found[pair] for _, pair in sorted(kept)}


def united_points(
    locations: NDArray[np.float64], original: tuple[int, int], size: tuple[int, int]
) -> list[tuple[str, float, float]]:
    """Return the points of the united parts that are seen: part, x and y at ``size``.

    ``locations`` are x, y and visible by CUB's part ids, (15, 3), in a picture of ``original``
    (rows, columns). Coordinates are scaled and truncated. The head is one point, the mean of its
    parts; both legs, and both wings, stay points of their own.

    Reference: Kim et al. 2021, its code.
    """
    scale = np.array([size[1] / original[1], size[0] / original[0]])
    places = np.trunc(locations[:, :2] * scale)
    seen = locations[:, 2] > 0
    found: list[tuple[str, float, float]] = []
    for part, members in _POINTS:
        rows = [PART_IDS[name] - 1 for name in members if seen[PART_IDS[name] - 1]]
        if part == "head" and rows:
            rows_xy = [places[rows].mean(axis=0)]
        else:
            rows_xy = [places[row] for row in rows]
        found.extend((part, float(x), float(y)) for x, y in rows_xy)
    return found


def nearest_part_mask(
    points: list[tuple[str, float, float]],
    parts: Collection[str],
    foreground: NDArray[np.bool_],
) -> NDArray[np.bool_] | None:
    """Return the foreground pixels whose nearest point belongs to one of the parts.

    Distance is Euclidean between pixel indices and points; of several nearest points, the first
    wins. ``None`` if no point of the parts is seen: the image is left out.

    Raises:
        InputError: a part is no united part.

    Reference: Kim et al. 2021, section 5.2 and its code, which alone intersects with the
    foreground.
    """
    _check_parts(parts)
    if not any(part in parts for part, _, _ in points):
        return None
    rows, columns = np.indices(foreground.shape)
    distances = np.stack([(columns - x) ** 2 + (rows - y) ** 2 for _, x, y in points])
    wanted = np.array([part in parts for part, _, _ in points])
    return np.asarray(wanted[distances.argmin(axis=0)] & foreground)


def exact_part_mask(
    part_mask: NDArray[np.integer], parts: Collection[str]
) -> NDArray[np.bool_] | None:
    """Return the pixels of the parts in a mask of CUB's part ids (rows, columns).

    ``None`` if no pixel shows one of them.

    Raises:
        InputError: a part is no united part.
    """
    _check_parts(parts)
    ids = [PART_IDS[name] for part in parts for name in MEMBERS[part]]
    mask = np.isin(part_mask, ids)
    return mask if mask.any() else None


def united_masks(part_mask: NDArray[np.integer]) -> Mapping[str, NDArray[np.bool_]]:
    """Return the pixels of each of the seven united parts, empty where one is not seen."""
    return {
        part: np.isin(part_mask, [PART_IDS[name] for name in MEMBERS[part]])
        for part in UNITED_PARTS
    }


def resized_mask(mask: NDArray[np.integer], size: tuple[int, int]) -> NDArray[np.integer]:
    """Return a mask of numbers at ``size`` (rows, columns), each pixel the one it falls on.

    Choice: nearest by centres. The published code uses Pillow's default, which was nearest before
    its version 7 and mixes numbers since.
    """
    rows, columns = (
        ((2 * torch.arange(to) + 1) * come).div(2 * to, rounding_mode="floor").numpy()
        for to, come in zip(size, mask.shape, strict=True)
    )
    picked: NDArray[np.integer] = mask[rows[:, None], columns[None, :]]
    return picked


def _check_parts(parts: Collection[str]) -> None:
    for part in parts:
        if part not in MEMBERS:
            raise InputError(f"{part!r} is no united part; known: {', '.join(UNITED_PARTS)}")
