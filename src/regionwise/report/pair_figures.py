"""Two classes that differ in few parts: both maps, their difference, and where the truth lies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from regionwise.attribution.result import Attribution
from regionwise.attribution.scaling import saliency_of
from regionwise.benchmark.cases import Why
from regionwise.metrics.pixel_metrics import CueLocalisation
from regionwise.pictures.cell import percent
from regionwise.pictures.outline import outlined
from regionwise.pictures.overlay import overlay, signed_overlay
from regionwise.report.gallery_cards import seen
from regionwise.report.thumbnails import address_of

SIDE = 224


@dataclass(frozen=True)
class PairRow:
    """What one method of one model shows: maps of both classes, and their difference.

    ``number`` is the cue localisation of this picture and pair; NaN without a row.
    """

    model: str
    method: str
    first: str
    second: str
    difference: str
    chances: tuple[str, str]
    number: float


@dataclass(frozen=True)
class PairFigure:
    """A picture, the class that it is held against, and what differs.

    Attributes:
        image: the picture's name.
        names: of both classes, the label first.
        parts: in which they differ.
        why: it is shown.
        picture: as the network sees it.
        truth: the same, pale but for the true region, which is outlined.
        rows: by model and method.
    """

    image: str
    names: tuple[str, str]
    parts: tuple[str, ...]
    why: Why
    picture: str
    truth: str
    rows: tuple[PairRow, ...]


def signed_difference(
    maps: Float[Tensor, "n 2 i j"], size: tuple[int, int], metric: CueLocalisation
) -> Float[Tensor, "n h w"]:
    """Return s_A - s_B at ``size``, as the metric makes it before it takes the magnitude.

    Reference: Kim et al. 2021, section 5.2; see :func:`regionwise.metrics.cue.cue_map`.
    """
    scale = None if metric.normalize == "none" else metric.normalize
    if metric.order == "normalise-first":
        both = saliency_of(maps, size, scale)
        return both[:, 0] - both[:, 1]
    raw: Tensor = saliency_of(maps[:, :1] - maps[:, 1:], size, None)[:, 0]
    return raw


def pair_row(
    model: str,
    one: Attribution,
    truth: Bool[np.ndarray, "h w"],
    metric: CueLocalisation,
    number: float,
) -> PairRow:
    """Return the pictures of one method, each with the true region outlined.

    The maps of the classes are scaled each by itself to [0, 1].
    """
    pixels = seen(one)
    size = (pixels.shape[0], pixels.shape[1])
    maps = one.saliency(size)[0].clamp(0, 1).double().cpu().numpy()
    difference = signed_difference(one.maps, size, metric)[0].double().cpu().numpy()
    drawn = [overlay(pixels, maps[0]), overlay(pixels, maps[1]), signed_overlay(pixels, difference)]
    first, second, third = (address_of(outlined(each, truth), SIDE) for each in drawn)
    chances = [float(value) for value in one.probabilities[0, :2]]
    shown = [percent(chance) if math.isfinite(chance) else "" for chance in chances]
    return PairRow(model, one.method, first, second, third, (shown[0], shown[1]), number)


def truth_addresses(
    pixels: UInt8[np.ndarray, "h w 3"], truth: Bool[np.ndarray, "h w"]
) -> tuple[str, str]:
    """Return the picture, and the same, pale but for the true region, which is outlined."""
    pale = np.rint(0.45 * pixels + 0.55 * 255).astype(np.uint8)
    shown = np.where(truth[..., None], pixels, pale)
    return address_of(pixels, SIDE), address_of(outlined(shown, truth), SIDE)


def methods_for(
    able: Sequence[str], exact: Sequence[str], scores: Mapping[str, float], most: int = 3
) -> list[str]:
    """Return the methods of a pair figure: the exact one, the best by its rows, and a plain one.

    Args:
        able: methods that know the network, in the order of the benchmark.
        exact: those of them that add up to the probability.
        scores: cue localisation over all pairs, where there is any.
        most: how many there may be.
    """
    ranked = sorted((m for m in able if m in scores), key=lambda m: -scores[m])
    plain = [m for m in ("cam", "grad-cam") if m in able]
    wished = [*exact[:1], *ranked[:1], *plain[:1], *ranked[1:], *able]
    return list(dict.fromkeys(wished))[:most]
