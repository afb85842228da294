"""The pictures of an audit, each as an address that holds it."""

from __future__ import annotations

import base64
from dataclasses import replace
from io import BytesIO

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from regionwise.attribution.result import Attribution
from regionwise.attribution.showing import cells_of, values_of
from regionwise.heads.regions import Difference, differences_of, regions_of
from regionwise.pictures.canvas import Box, Canvas
from regionwise.pictures.cell import Cell, draw_cell
from regionwise.pictures.colour import DIVERGING, SEQUENTIAL, colour_table
from regionwise.pictures.overlay import overlay, signed_overlay
from regionwise.report.regions import difference_values

SIDE = 320
"""Points that the shorter side of a picture measures; a canvas holds two pixels a point."""

BAND = 5
"""Regions in a band of the difference."""


def picture_address(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """Return a picture as it is."""
    return _address(Image.fromarray(picture), quality=90)


def map_address(attribution: Attribution, image: UInt8[np.ndarray, "h w 3"]) -> str:
    """Return the overlay of a map's first target, or the reason why there is none; no numbers."""
    return _drawn(replace(cells_of(attribution, 0, image)[0], values=None), image)


def share_addresses(exact: Attribution, image: UInt8[np.ndarray, "h w 3"]) -> list[str]:
    """Return the exact contributions to each class with their numbers, all on one scale."""
    maps = exact.maps[0].detach().double().cpu()
    full = _full(exact, image)
    top = float(full.max()) or 1.0
    return [
        _drawn(
            Cell(
                overlay(image, np.clip(shown / top, 0, 1)),
                values=values_of(regions_of(own, share=None, least=0.05)),
            ),
            image,
        )
        for own, shown in zip(maps, full, strict=True)
    ]


def difference_of(exact: Attribution) -> Difference:
    """Return where the first class leads over the second, in bands."""
    maps = exact.maps[0].detach().double().cpu()
    return differences_of(maps[0] - maps[1], band=BAND)


def difference_address(exact: Attribution, image: UInt8[np.ndarray, "h w 3"]) -> str:
    """Return the exact difference of the first two classes with its numbers."""
    full, map_ = _full(exact, image), exact.maps[0, 0]
    values = difference_values(difference_of(exact), map_)
    return _drawn(Cell(signed_overlay(image, full[0] - full[1]), values=values), image)


def ramp_address(*, signed: bool) -> str:
    """Return the colours of a scale, from its left end to its right."""
    table = colour_table(DIVERGING, 257) if signed else colour_table(SEQUENTIAL)
    return _address(Image.fromarray(np.repeat(table[None], 8, axis=0)), quality=90)


def _full(exact: Attribution, image: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, "t h w"]:
    size = (image.shape[0], image.shape[1])
    full: np.ndarray = exact.saliency(size, normalize=None)[0].detach().double().cpu().numpy()
    return full


def _drawn(cell: Cell, image: UInt8[np.ndarray, "h w 3"]) -> str:
    share = SIDE / min(image.shape[:2])
    width, height = round(image.shape[1] * share), round(image.shape[0] * share)
    canvas = Canvas(width, height)
    draw_cell(canvas, Box(0, 0, width, height), cell)
    return _address(canvas.image, quality=85)


def _address(image: Image.Image, *, quality: int) -> str:
    buffer = BytesIO()
    image.save(buffer, format="WEBP", quality=quality)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()
