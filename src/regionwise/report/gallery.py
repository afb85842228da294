"""From the attributions of a batch to what is shown and kept of each image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from regionwise.attribution.result import Attribution
from regionwise.attribution.showing import (
    arrays_of,
    cells_of,
    file_stem,
    known_pictures,
    panel_of,
)
from regionwise.errors import InputError
from regionwise.pictures.encoding import encode_arrays, encode_png
from regionwise.pictures.sheet import Row


@dataclass(frozen=True)
class Explained:
    """One image, and what each method says about it.

    Attributes:
        image: as the model saw it, h w 3.
        attributions: of this image alone, by canonical id; one at least.
    """

    image: UInt8[np.ndarray, "h w 3"]
    attributions: Mapping[str, Attribution]

    @property
    def first(self) -> Attribution:
        """Any of the attributions, for what they share: targets, scores, layer, prediction."""
        return next(iter(self.attributions.values()))


def split_batch(attributions: Mapping[str, Attribution]) -> list[Explained]:
    """Return each image of a batch that several methods explained.

    Raises:
        InputError: there is no attribution, or nobody knows what the images looked like.
    """
    if not attributions:
        raise InputError("there is no attribution to show")
    images = known_pictures(next(iter(attributions.values())), None)
    return [
        Explained(image, {method: found.one(n) for method, found in attributions.items()})
        for n, image in enumerate(images)
    ]


def image_files(explained: Explained, *, pictures: bool = True) -> dict[str, bytes]:
    """Return the files of one image by name: the arrays of each method, and a picture."""
    files: dict[str, bytes] = {}
    for method, attribution in explained.attributions.items():
        if pictures:
            picture = panel_of(attribution, 0, explained.image)
            files[f"{file_stem(method)}.png"] = encode_png(picture)
        files[f"{file_stem(method)}.npz"] = encode_arrays(arrays_of(attribution, 0))
    return files


def sheet_rows(explained: Explained, source: str) -> list[Row]:
    """Return a row of the contact sheet for each target of the image."""
    by_method = [cells_of(one, 0, explained.image) for one in explained.attributions.values()]
    shared = explained.first
    return [
        Row(
            image=explained.image,
            name=name,
            probability=None if np.isnan(probability) else probability,
            cells=cells,
            source="" if t else source,
            continues=t > 0,
        )
        for t, (name, probability, cells) in enumerate(
            zip(
                shared.target_names[0],
                shared.probabilities[0].tolist(),
                zip(*by_method, strict=True),
                strict=True,
            )
        )
    ]
