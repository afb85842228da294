"""Where the cue between two classes lies in a picture of a data set in CUB's layout."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from regionwise.data.cub import CubImage
from regionwise.data.images import open_image
from regionwise.errors import DataError
from regionwise.metrics.cue import (
    exact_part_mask,
    nearest_part_mask,
    resized_mask,
    united_points,
)

Source: TypeAlias = Literal["nearest", "exact"]


def cue_region(
    image: CubImage, parts: Collection[str], size: tuple[int, int], source: Source = "nearest"
) -> NDArray[np.bool_] | None:
    """Return the pixels of the parts at ``size`` (rows, columns); ``None`` if none is seen.

    ``nearest`` gives every pixel of the foreground to the nearest part location, as CALM does;
    ``exact`` takes the mask of parts that rendered birds have. The picture is thought resized to
    ``size`` without keeping its aspect.

    Raises:
        DataError: the data set has no masks of parts, or a mask cannot be read.

    Choice: without segmentations the whole picture is foreground. The paper speaks of none, its
    code intersects with them.
    """
    if source == "exact":
        if image.part_mask is None:
            raise DataError(
                f"{image.name!r} has no mask of parts; only rendered birds have: source='nearest'"
            )
        return exact_part_mask(resized_mask(_numbers(image.part_mask), size), parts)
    width, height = open_image(image.path).size
    points = united_points(image.part_locations, (height, width), size)
    if image.segmentation is None:
        return nearest_part_mask(points, parts, np.ones(size, dtype=np.bool_))
    return nearest_part_mask(points, parts, resized_mask(_numbers(image.segmentation), size) > 0)


def _numbers(path: Path) -> NDArray[np.integer]:
    try:
        with Image.open(path) as opened:
            numbers = np.asarray(opened)
    except OSError as error:
        raise DataError(f"the mask {str(path)!r} cannot be read: {error}") from error
    if numbers.ndim != 2:
        raise DataError(f"the mask {str(path)!r} has colours; it should hold one number per pixel")
    return numbers
