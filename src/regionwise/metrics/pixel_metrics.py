"""Pixel average precision as a metric: of an object's mask, or of the cue between two classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from regionwise.errors import InputError
from regionwise.metrics.average_precision import (
    IGNORE,
    Bins,
    PixelCounts,
    pixel_average_precision,
    pixel_counts,
    pooled,
)
from regionwise.metrics.case import Case
from regionwise.metrics.cue import CueNorm, Order, cue_map
from regionwise.metrics.recipe import Metric, Values
from regionwise.metrics.reducers import mean_of_defined

Pair = tuple[int, int]

COUNTS = "counts"
"""Pixels that were counted by score already, n 3 v: scores, and how many in and outside."""


DIFFERING = "differing"
"""In how many parts the two classes of an image differ, n."""


def labels_of(
    regions: Bool[Tensor, "n h w"], ignore: Bool[Tensor, "n h w"] | None
) -> UInt8[Tensor, "n h w"]:
    """Return 1 in the region, 0 outside, 255 where pixels count neither way."""
    labels = regions.to(torch.uint8)
    return labels if ignore is None else labels.masked_fill(ignore, IGNORE)


def pixel_values(
    scores: Float[Tensor, "n h w"], labels: UInt8[Tensor, "n h w"], bins: Bins
) -> Values:
    """Return the AP of each image, NaN without a positive pixel, and all pixels for pooling."""
    each = [_counts(s, label) for s, label in zip(scores, labels, strict=True)]
    values = torch.tensor([pixel_average_precision(c, bins) for c in each], dtype=torch.float64)
    chance = torch.tensor([c.prevalence for c in each], dtype=torch.float64)
    pixels = {"scores": scores.flatten(1), "labels": labels.flatten(1), "chance": chance}
    return Values(values, extras=pixels)


def counts_of(values: Values) -> PixelCounts:
    """Return the pixels of all images together, counted by value."""
    if COUNTS in values.extras:
        tables = values.extras[COUNTS].double().numpy()
        return pooled(
            PixelCounts(scores, inside.astype(np.int64), outside.astype(np.int64))
            for scores, inside, outside in tables
        )
    pixels = zip(values.extras["scores"], values.extras["labels"], strict=True)
    return pooled(_counts(scores, labels) for scores, labels in pixels)


def pooled_precision(metric: Metric, values: Values) -> dict[str, float]:
    """Return the AP of all pixels pooled, the mean of the images' own, and chance for both."""
    counts = counts_of(values)
    each = values.values if values.values is not None else torch.empty(0)
    per_image, undefined = mean_of_defined(each)
    return {
        "value": pixel_average_precision(counts, bins_of(metric)),
        "per_image": per_image,
        "chance": counts.prevalence,
        "chance_per_image": mean_of_defined(values.extras["chance"][~each.isnan()])[0],
        "undefined": undefined,
    }


def mean_over_pairs(metric: Metric, values: Values) -> dict[str, float]:
    """Return mPxAP: pixels are pooled within a pair of classes, and pairs are averaged.

    ``per_image`` averages the images' own APs within a pair first; ``cumulative`` is what CALM's
    published script prints, whose counts are never reset between pairs, taken in the order in
    which they come. ``1 part``, ``2 parts``, ... are over the pairs that differ in so many parts,
    where that is known, and ``pairs, 1 part`` how many these are.
    """
    pairs = by_pair(values)
    counts = {pair: counts_of(v) for pair, v in pairs.items()}
    bins = bins_of(metric)
    own = {pair: pixel_average_precision(c, bins) for pair, c in counts.items()}
    images = [mean_of_defined(v.values)[0] for v in pairs.values() if v.values is not None]
    chance = [c.prevalence for c in counts.values()]
    running = cumulative_precisions(list(counts.values()), bins)
    return {
        "value": _mean(list(own.values())),
        "per_image": _mean(images),
        "cumulative": _mean(running),
        "chance": _mean(chance),
        "pairs": float(len(own)),
        "undefined": float(np.isnan(list(own.values())).mean()),
        **_by_parts(own, pairs),
    }


def mean_by_parts(
    precisions: Mapping[Pair, float], differing: Mapping[Pair, int]
) -> dict[int, float]:
    """Return mPxAP by the number of parts in which two classes differ, in rising order.

    Reference: Kim et al. 2021, CALM, Table 1; its column "mean" is over all pairs.
    """
    groups: dict[int, list[float]] = {}
    for pair, value in precisions.items():
        groups.setdefault(differing[pair], []).append(value)
    return {count: _mean(values) for count, values in sorted(groups.items())}


def cumulative_precisions(counts: Sequence[PixelCounts], bins: Bins = "exact") -> list[float]:
    """Return, for each pair, the AP of all pixels of this pair and those before it.

    This is what CALM's published script averages: its evaluator is made once, before the loops
    over pairs, and never reset. The order of the pairs changes it.
    """
    so_far = pooled([])
    found = []
    for one in counts:
        so_far = pooled([so_far, one])
        found.append(pixel_average_precision(so_far, bins))
    return found


def by_pair(values: Values) -> dict[Pair, Values]:
    """Return the values apart for every pair of classes, in the order in which they come."""
    pairs = [(int(a), int(b)) for a, b in values.extras["pair"].tolist()]
    found = {}
    for pair in dict.fromkeys(pairs):
        rows = torch.tensor([other == pair for other in pairs])
        extras = {name: column[rows] for name, column in values.extras.items()}
        given = None if values.values is None else values.values[rows]
        found[pair] = Values(given, extras=extras)
    return found


def bins_of(metric: Metric) -> Bins:
    """Return the bins of a metric of pixels.

    Raises:
        InputError: it has none.
    """
    if not isinstance(metric, (PxAP, CueLocalisation)):
        raise InputError(f"{metric.id!r} is no pixel average precision")
    return metric.bins


@dataclass(frozen=True)
class PxAP(Metric):
    """How well the map ranks the object's pixels above the others.

    Attributes:
        bins: exact by sorting, or the histograms of the published code.
    """

    name: ClassVar[str] = "pxap"
    bins: Bins = "exact"

    def measure(self, case: Case) -> Values:
        """Return the AP of each image, and its pixels."""
        ignore = None if case.truth is None else case.truth.ignore
        return pixel_values(case.saliency, labels_of(case.need("regions"), ignore), self.bins)


@dataclass(frozen=True)
class CueLocalisation(Metric):
    """How well the difference of two classes' maps finds the parts in which the classes differ.

    Attributes:
        bins: exact by sorting, or the histograms of the published code.
        order: what comes first, normalising each map or taking the difference.
        normalize: of each map, or of the difference; ``none`` leaves the map's own units.
    """

    name: ClassVar[str] = "cue-localisation"
    bins: Bins = "exact"
    order: Order = "normalise-first"
    normalize: CueNorm = "min-max"

    def measure(self, case: Case) -> Values:
        """Return the AP of each image, its pixels, and its pair of classes, smaller one first."""
        size = (case.saliency.shape[1], case.saliency.shape[2])
        maps = torch.stack((case.need("maps"), case.need("second_maps")), dim=1)
        scores = cue_map(maps, size, order=self.order, normalize=self.normalize)
        ignore = None if case.truth is None else case.truth.ignore
        found = pixel_values(scores, labels_of(case.need("regions"), ignore), self.bins)
        pair = torch.stack((case.targets, case.need("second_targets")), dim=1).sort(dim=1).values
        extras = {**found.extras, "pair": pair}
        if case.truth is not None and case.truth.differing is not None:
            extras[DIFFERING] = case.truth.differing
        return Values(found.values, extras=extras)


def _by_parts(own: Mapping[Pair, float], pairs: Mapping[Pair, Values]) -> dict[str, float]:
    known = {pair: v.extras[DIFFERING] for pair, v in pairs.items() if DIFFERING in v.extras}
    if not known:
        return {}
    differing = {pair: int(column[0]) for pair, column in known.items()}
    found: dict[str, float] = {}
    for count, value in mean_by_parts(own, differing).items():
        name = f"{count} part{'s' * (count != 1)}"
        found[name] = value
        found[f"pairs, {name}"] = float(list(differing.values()).count(count))
    return found


def _counts(scores: Tensor, labels: Tensor) -> PixelCounts:
    return pixel_counts(scores.detach().cpu().numpy(), labels.cpu().numpy())


def _mean(values: Sequence[float]) -> float:
    """Return the mean of the numbers that are not NaN; NaN without any."""
    kept = [value for value in values if not np.isnan(value)]
    return float(np.mean(kept)) if kept else float("nan")
