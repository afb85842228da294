"""MaxBoxAcc and MaxBoxAccV2 as metrics; the formulas are in :mod:`..max_box_acc`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from regionwise.errors import InputError
from regionwise.metrics.case import Case
from regionwise.metrics.components import Component
from regionwise.metrics.max_box_acc import (
    Which,
    component_overlaps,
    components_at,
    contour_overlaps,
    even_thresholds,
    max_box_accuracy,
)
from regionwise.metrics.recipe import Metric, Values

BoxVariant: TypeAlias = Literal["components", "wsolevaluation"]


def box_curves(
    case: Case, thresholds: NDArray[np.float64], variant: BoxVariant, which: Which
) -> Values:
    """Return the best overlap of each image at every threshold; NaN in images without a box."""
    curves = []
    for index, boxes in enumerate(case.need("boxes")):
        truth = boxes.cpu().numpy()
        if not len(boxes):
            curves.append(np.full(len(thresholds), np.nan))
        elif variant == "wsolevaluation":
            saliency = case.saliency[index].cpu().numpy()
            curves.append(contour_overlaps(saliency, np.trunc(truth), thresholds, which))
        else:
            known = _components(case, index, tuple(thresholds.tolist()))
            saliency = case.saliency[index].cpu().numpy()
            curves.append(component_overlaps(saliency, truth, thresholds, which, known))
    found = torch.from_numpy(np.stack(curves))
    return Values(curves={"overlap": found}, levels=tuple(thresholds.tolist()))


def _components(case: Case, index: int, thresholds: tuple[float, ...]) -> list[Component]:
    """Return an image's components, found once for all metrics of these thresholds."""
    saliency = case.saliency[index].cpu().numpy()
    key = ("components", index, thresholds)
    return case.once(key, lambda: components_at(saliency, thresholds))


def overlaps_of(values: Values) -> NDArray[np.float64]:
    """Return the curves of the images that have boxes, (images, thresholds).

    Raises:
        InputError: none has.
    """
    curves: Tensor = values.curves["overlap"]
    kept: NDArray[np.float64] = curves[~curves.isnan().any(dim=1)].numpy()
    if not len(kept):
        raise InputError("no image has a box; MaxBoxAcc needs at least one")
    return kept


def best_threshold(metric: Metric, values: Values) -> dict[str, float]:
    """Return the accuracy at the best threshold, by required overlap, and the thresholds.

    ``value`` takes the threshold that is best on the very images that are scored, as published;
    ``crossed`` scores every second image with the threshold that is best on the others.
    """
    if not isinstance(metric, (MaxBoxAcc, MaxBoxAccV2)):
        raise InputError(f"{metric.id!r} has no required overlap; it is no box accuracy")
    curves, levels = overlaps_of(values), values.levels
    found = max_box_accuracy(curves, levels, required=metric.required)
    answer = {"value": found.mean, "crossed": _crossed(curves, levels, metric.required)}
    for delta, share, at in zip(metric.required, found.accuracies, found.thresholds, strict=True):
        answer[f"at_{round(100 * delta)}"] = share
        answer[f"threshold_{round(100 * delta)}"] = at
    return answer


def chosen_on(
    metric: MaxBoxAcc | MaxBoxAccV2, values: Values, validation: Values
) -> dict[str, float]:
    """Return the accuracy with the thresholds that are best on validation images."""
    found = max_box_accuracy(
        overlaps_of(values),
        values.levels,
        required=metric.required,
        chosen_on=overlaps_of(validation),
    )
    shares = zip(metric.required, found.accuracies, strict=True)
    return {"value": found.mean} | {f"at_{round(100 * d)}": share for d, share in shares}


@dataclass(frozen=True)
class MaxBoxAcc(Metric):
    """Share of images in which the box around the largest bright region fits the object.

    Attributes:
        variant: 8-connected components, or the borders of the published code.
        thresholds: how many, evenly from 0.
    """

    name: ClassVar[str] = "max-box-acc"
    required: ClassVar[tuple[float, ...]] = (0.5,)
    variant: BoxVariant = "components"
    thresholds: int = field(default=100, metadata={"at_least": 1})

    def measure(self, case: Case) -> Values:
        """Return the overlap of the largest region's box at every threshold."""
        return box_curves(case, even_thresholds(self.thresholds), self.variant, "largest")


@dataclass(frozen=True)
class MaxBoxAccV2(Metric):
    """The same with any region's box, averaged over required overlaps of 30, 50 and 70 %.

    Attributes:
        variant: 8-connected components, or the borders of the published code.
        thresholds: how many, evenly from 0.
    """

    name: ClassVar[str] = "max-box-acc-v2"
    required: ClassVar[tuple[float, ...]] = (0.3, 0.5, 0.7)
    variant: BoxVariant = "components"
    thresholds: int = field(default=100, metadata={"at_least": 1})

    def measure(self, case: Case) -> Values:
        """Return the best overlap of any region's box at every threshold."""
        return box_curves(case, even_thresholds(self.thresholds), self.variant, "any")


def _crossed(
    curves: NDArray[np.float64], levels: tuple[float, ...], required: tuple[float, ...]
) -> float:
    if len(curves) < 2:
        return float("nan")
    halves = (curves[::2], curves[1::2])
    sums = [
        len(one) * max_box_accuracy(one, levels, required=required, chosen_on=other).mean
        for one, other in (halves, halves[::-1])
    ]
    return sum(sums) / len(curves)
