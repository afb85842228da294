"""From exact contributions to a picture and words: these regions, this much, against that class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from regionwise.attribution.result import Attribution
from regionwise.attribution.showing import picture_of, values_of
from regionwise.errors import InputError
from regionwise.evidence.masking import upsample
from regionwise.heads.regions import Band, Difference, Regions, differences_of, regions_of
from regionwise.pictures.comparison import Lead, Side, band_colour, comparison
from regionwise.pictures.overlay import grey_of
from regionwise.pictures.values import Values, share_text

SMALLEST = 5e-5
"""Probability below which a region of a difference gets no number: it would read .00."""

BANDS_SHOWN = 3
"""Bands of each sign whose cells get a number: the next ones are too small to matter."""


@dataclass(frozen=True)
class Comparison:
    """Two classes in one image.

    Attributes:
        picture: both maps and their difference.
        regions: of either class, those above the threshold.
        difference: in bands.
    """

    picture: Image.Image
    regions: tuple[Regions, Regions]
    difference: Difference


def compare(
    attribution: Attribution,
    index: int = 0,
    *,
    least: float = 0.05,
    band: int = 5,
    truth: Bool[np.ndarray, "h w"] | None = None,
) -> Comparison:
    """Set the first two targets of an exact attribution against each other.

    Args:
        attribution: of ``cape`` or ``calm`` with at least two targets, their images known.
        index: which image.
        least: regions above this share of the strongest get their number.
        band: cells in a band of the difference.
        truth: where the classes truly differ, if that is known.

    Raises:
        InputError: the attribution is not exact, has one target, or no image.
    """
    one = attribution.one(index)
    if not one.exact:
        raise InputError(
            f"{one.method!r} does not add up to a probability; ask for cape or calm (of a network"
            " with such a head), quantity=attribution"
        )
    if one.maps.shape[1] < 2 or one.images is None:
        raise InputError("two targets and the image itself are needed, as in targets='top-2'")
    maps = one.maps[0, :2].detach().double().cpu()
    full = upsample(maps[None], (one.images.shape[2], one.images.shape[3]))[0].numpy()
    image = picture_of(one.images[0].expand(3, -1, -1))
    regions = tuple(regions_of(each, share=None, least=least) for each in maps)
    difference = differences_of(maps[0] - maps[1], band=band)
    sides = tuple(
        Side(name, found.probability, shown, values_of(found), str(found))
        for name, found, shown in zip(one.target_names[0][:2], regions, full, strict=True)
    )
    lead = Lead(
        difference.total,
        full[0] - full[1],
        difference_values(difference, maps[0]),
        band_lines(difference),
    )
    shown = None if truth is None else _truth(image, truth)
    picture = comparison(image, (sides[0], sides[1]), lead, shown)
    return Comparison(picture, (regions[0], regions[1]), difference)


def difference_values(difference: Difference, map_: Float[Tensor, "i j"]) -> Values:
    """Return the numbers to write into the regions of a difference, each band in its colour."""
    texts, inks = {}, {}
    for bands, positive in ((difference.lead, True), (difference.trail, False)):
        for number, one in enumerate(bands[:BANDS_SHOWN]):
            for cell, value in zip(one.cells, one.values, strict=True):
                if abs(value) < SMALLEST:
                    continue
                texts[cell] = share_text(value)
                inks[cell] = band_colour(number, positive=positive)
    return Values(map_.shape[0], map_.shape[1], texts, inks)


def band_lines(difference: Difference) -> list[tuple[tuple[int, int, int], str]]:
    """Return one line for each band shown, and what the rest holds."""
    lines = []
    for bands, positive in ((difference.lead, True), (difference.trail, False)):
        word = "for the first" if positive else "for the second"
        for number, one in enumerate(bands[:BANDS_SHOWN]):
            lines.append((band_colour(number, positive=positive), _line(one, word, difference)))
        if rest := bands[BANDS_SHOWN:]:
            count, held = sum(len(b.cells) for b in rest), sum(b.sum for b in rest)
            ink = band_colour(BANDS_SHOWN, positive=positive)
            lines.append((ink, f"{count} more regions {word}: {held:+.2%}"))
    return lines


def _line(band: Band, word: str, difference: Difference) -> str:
    share = f", {band.share:.0%} of {difference.total:+.1%}" if band.counts else ""
    return f"regions {band.ranks} {word}: {band.sum:+.2%}{share}"


def _truth(
    image: UInt8[np.ndarray, "h w 3"], truth: Bool[np.ndarray, "rows columns"]
) -> UInt8[np.ndarray, "h w 3"]:
    if truth.shape != image.shape[:2]:
        raise InputError(
            f"the true region has {truth.shape} pixels, the image {image.shape[:2]}; give it at"
            " the size that the model sees"
        )
    grey = np.rint(grey_of(image)).repeat(3, axis=2)
    red = np.array([200, 40, 48])
    shown = np.where(truth[..., None], 0.35 * grey + 0.65 * red, 0.55 * grey + 0.45 * 255)
    rounded: UInt8[np.ndarray, "h w 3"] = np.rint(shown).astype(np.uint8)
    return rounded
