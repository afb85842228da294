"""MaxBoxAcc and MaxBoxAccV2: does a box around the bright region fit the object?

Per image the statistic is a curve: the best overlap at every threshold. Only over images is it
decided which threshold is best.

Reference: Choe, Oh, Lee, Chun, Akata and Shim 2020, Evaluating weakly supervised object
localization methods right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from regionwise.errors import InputError
from regionwise.metrics.boxes import box_iou
from regionwise.metrics.components import Component, components_above
from regionwise.metrics.contours import contours_of

Which = Literal["largest", "any"]
Curve = NDArray[np.float64]


def even_thresholds(count: int = 100) -> Curve:
    """Return 0, 1 / count, ... (count - 1) / count."""
    return np.arange(count) / count


def component_overlaps(
    saliency: NDArray[np.floating],
    truth: NDArray[np.number],
    thresholds: Sequence[float] | Curve,
    which: Which = "any",
    components: Sequence[Component] | None = None,
) -> Curve:
    """Return the best overlap of a component's box with a true box, at every threshold.

    A component is what hangs together, corners included, of the pixels with s > threshold of a map
    (h w) in [0, 1]; ``largest`` takes the one of most pixels (the first by rows of several),
    ``any`` the best of all. ``truth`` is (g, 4), half-open x0 y0 x1 y1. Without a pixel above the
    threshold the overlap is 0. ``components``, if they are known, are those of
    :func:`components_at`.

    Choice: connected components and half-open boxes. The published code takes the borders of
    OpenCV, holes among them, and boxes that are one pixel too large: :func:`contour_overlaps`. On
    twelve maps of that code overlaps differ by 0.011 on average, and one of them reaches 0.3 there
    but not here.
    """
    levels = np.asarray(thresholds, dtype=np.float64)
    found = np.zeros(len(levels))
    known = components_at(saliency, thresholds) if components is None else components
    for threshold, boxes, counts in known:
        if len(boxes):
            chosen = boxes[[int(counts.argmax())]] if which == "largest" else boxes
            found[levels == threshold] = box_iou(chosen, truth).max()
    return found


def components_at(
    saliency: NDArray[np.floating], thresholds: Sequence[float] | Curve
) -> list[Component]:
    """Return threshold, boxes and pixel counts of the components above each threshold."""
    return list(components_above(_checked(saliency), np.unique(np.asarray(thresholds, np.float64))))


def contour_overlaps(
    saliency: NDArray[np.floating],
    truth: NDArray[np.number],
    thresholds: Sequence[float] | Curve,
    which: Which = "any",
) -> Curve:
    """Return the overlaps as the published code (wsolevaluation) computes them.

    The map becomes bytes, trunc(255 s); pixels above int(threshold * max) are outlined by border
    following; a box reaches from the leftmost to one past the rightmost point, but no further than
    the last pixel; ``largest`` takes the border of largest polygon area, holes included; without a
    border the box is 0 0 0 0; widths count one more.
    """
    grey = (_checked(saliency) * 255).astype(np.uint8)
    edges = np.array([grey.shape[1] - 1, grey.shape[0] - 1])
    cuts = [int(threshold * grey.max()) for threshold in thresholds]
    known: dict[int, float] = {}
    for cut in sorted(set(cuts)):
        borders = contours_of(grey > cut)
        if which == "largest" and borders:
            borders = [max(borders, key=lambda border: border.area)]
        boxes = np.array([border.box for border in borders] or [(0, 0, 0, 0)])
        boxes[:, 2:] = np.minimum(boxes[:, 2:], edges)
        known[cut] = float(box_iou(boxes, truth, extra=1).max())
    return np.array([known[cut] for cut in cuts])


@dataclass(frozen=True)
class BoxAccuracy:
    """Share of images whose box fits (0..1), by required overlap, and the thresholds taken."""

    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The mean over the required overlaps: with 0.3, 0.5 and 0.7, MaxBoxAccV2."""
        return float(np.mean(self.accuracies))


def max_box_accuracy(
    overlaps: NDArray[np.float64],
    thresholds: Sequence[float] | Curve,
    *,
    required: Sequence[float] = (0.3, 0.5, 0.7),
    chosen_on: NDArray[np.float64] | None = None,
) -> BoxAccuracy:
    """Return, for each required overlap, the share of images that reach it at the best threshold.

    ``overlaps`` is (images, thresholds). The best threshold is chosen for each required overlap
    apart, on ``chosen_on`` (validation curves); without it, as published, on the images that are
    scored, which flatters. The lowest of several equals is taken.

    Raises:
        InputError: the curves do not fit the thresholds, or there are none.

    Reference: Choe et al. 2020, MaxBoxAcc and MaxBoxAccV2.
    """
    picked = overlaps if chosen_on is None else chosen_on
    for curves in (overlaps, picked):
        if curves.ndim != 2 or curves.shape[1] != len(thresholds) or not len(curves):
            raise InputError(
                f"curves of shape {curves.shape} do not fit; give (images, {len(thresholds)})"
            )
    best = [int((picked >= delta).mean(axis=0).argmax()) for delta in required]
    shares = [float((overlaps[:, b] >= d).mean()) for b, d in zip(best, required, strict=True)]
    return BoxAccuracy(tuple(shares), tuple(float(thresholds[b]) for b in best))


def _checked(saliency: NDArray[np.floating]) -> NDArray[np.floating]:
    """Refuse what is no map in [0, 1]; NaN becomes an empty map, as the published code has it."""
    if saliency.ndim != 2:
        raise InputError(f"a map has rows and columns, not shape {saliency.shape}")
    if np.isnan(saliency).any():
        return np.zeros_like(saliency)
    if saliency.size and (saliency.min() < 0 or saliency.max() > 1):
        raise InputError(
            f"a map in [0, 1] is wanted, not {saliency.min():g} to {saliency.max():g}; min-max it"
        )
    return saliency
