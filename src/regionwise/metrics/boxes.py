"""Boxes of objects: overlap, and how a ground-truth box is laid on a resized picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from regionwise.errors import InputError

Boxes = NDArray[np.float64]


def box_iou(a: NDArray[np.number], b: NDArray[np.number], *, extra: int = 0) -> Boxes:
    """Return the overlap of every box in ``a`` (m, 4) with every box in ``b`` (g, 4), (m, g).

    IoU = |a and b| / |a or b|, 0 where both are empty. Boxes are x0 y0 x1 y1. They are half-open;
    with ``extra`` = 1 widths are x1 - x0 + 1, as wsolevaluation counts them.

    Raises:
        InputError: something is no list of boxes.
    """
    for name, boxes in (("a", a), ("b", b)):
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InputError(f"boxes {name} have shape {boxes.shape}; give (boxes, 4): x0 y0 x1 y1")
    one, two = a[:, None].astype(np.float64), b[None].astype(np.float64)
    low = np.maximum(one[..., :2], two[..., :2])
    high = np.minimum(one[..., 2:], two[..., 2:])
    both = np.prod(np.maximum(high - low + extra, 0), axis=-1)
    sizes = [np.prod(x[..., 2:] - x[..., :2] + extra, axis=-1) for x in (one, two)]
    either = sizes[0] + sizes[1] - both
    found: Boxes = np.where(either > 0, both / np.where(either > 0, either, 1), 0.0)
    return found


def resized_boxes(
    boxes: NDArray[np.number],
    original: tuple[int, int],
    size: tuple[int, int],
    *,
    truncate: bool = False,
) -> Boxes:
    """Return boxes x0 y0 x1 y1 (g, 4) of a picture of ``original`` (rows, columns) at ``size``.

    ``truncate`` drops what follows the point, as wsolevaluation does.
    """
    factor = np.array([size[1] / original[1], size[0] / original[0]] * 2)
    moved = boxes.astype(np.float64) * factor
    return np.asarray(np.trunc(moved)) if truncate else moved
