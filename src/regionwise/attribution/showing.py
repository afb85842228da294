"""An attribution as pictures and files."""

from __future__ import annotations

import base64
import html
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from regionwise.errors import InputError
from regionwise.files import replacing
from regionwise.heads.regions import Regions, regions_of
from regionwise.pictures.cell import Cell, overlay_cell, signed_cell
from regionwise.pictures.encoding import encode_arrays, encode_png
from regionwise.pictures.panel import Panel, panel
from regionwise.pictures.scale import signed_scale
from regionwise.pictures.values import Values, share_text

if TYPE_CHECKING:
    from regionwise.attribution.result import Attribution


def file_stem(method: str) -> str:
    """Return a method's id as a file name; colons are not allowed in one everywhere."""
    return re.sub(r"[/\\]", "_", method.replace(":", ","))


def picture_of(image: Float[Tensor, "c h w"]) -> UInt8[np.ndarray, "h w c"]:
    """Return an image in [0, 1] as 8-bit RGB."""
    scaled = (image.detach().double().clamp(0, 1) * 255).round()
    pixels: np.ndarray = scaled.permute(1, 2, 0).cpu().numpy().astype(np.uint8)
    return pixels


def cells_of(
    attribution: Attribution, index: int, image: UInt8[np.ndarray, "h w 3"]
) -> tuple[Cell, ...]:
    """Return an overlay for each target of one image, or the reason why there is none.

    A map is scaled to [0, 1] by itself. Signed maps are red for the target and blue against it,
    without a tint at zero; the maps of an image share one limit, so that its targets can be
    compared: the largest magnitude, for maps of pixels the 99.5th percentile of the magnitudes.
    """
    size = (image.shape[0], image.shape[1])
    one = attribution.one(index)
    if one.signed:
        return _signed_cells(one, image)
    regions = _regions(one)
    maps = _doubles(one.saliency(size)[0])
    return tuple(
        replace(
            overlay_cell(image, saliency, reasons),
            values=None if found is None else values_of(found),
        )
        for saliency, reasons, found in zip(maps, one.flags[0], regions, strict=True)
    )


def values_of(regions: Regions) -> Values:
    """Return the numbers to write into regions: per cent of probability."""
    pairs = zip(regions.cells, regions.values, strict=True)
    return Values(*regions.size, {cell: share_text(value) for cell, value in pairs})


def _regions(one: Attribution) -> tuple[Regions | None, ...]:
    """Return of each target the regions above 5 % of the strongest, if its map is exact."""
    if not one.exact or one.signed:
        return (None,) * one.maps.shape[1]
    return tuple(regions_of(each.detach(), share=None, least=0.05) for each in one.maps[0])


def _signed_cells(one: Attribution, image: UInt8[np.ndarray, "h w 3"]) -> tuple[Cell, ...]:
    raw = _doubles(one.maps[0])
    maps = _doubles(one.saliency((image.shape[0], image.shape[1]), normalize=None)[0])
    scale = signed_scale(raw, pixels=raw.shape[1:] == one.size)
    return tuple(
        signed_cell(image, values, scale, _reasons(own, reasons))
        for values, own, reasons in zip(maps, raw, one.flags[0], strict=True)
    )


def _reasons(values: np.ndarray, flags: tuple[str, ...]) -> tuple[str, ...]:
    """Return why a signed map is blank: to speak against the target only is no reason."""
    says = bool(values.min() < values.max())
    return tuple(f for f in flags if not (says and f == "no positive evidence"))


def panels_of(
    attribution: Attribution, index: int, image: UInt8[np.ndarray, "h w 3"]
) -> list[Panel]:
    """Return for each target of one image the overlay and what stands above it."""
    one = attribution.one(index)
    told = zip(one.target_names[0], one.probabilities[0].tolist(), _regions(one), strict=True)
    return [
        _panel(cell, name, chance, regions)
        for cell, (name, chance, regions) in zip(cells_of(one, 0, image), told, strict=True)
    ]


def panel_of(
    attribution: Attribution, index: int, image: UInt8[np.ndarray, "h w 3"]
) -> Image.Image:
    """Return the overlays of one image with class, probability and colour bar."""
    panels = panels_of(attribution, index, image)
    detail = attribution.layer if attribution.uses_layer else ""
    return panel(panels, method=attribution.method, detail=detail)


def _panel(cell: Cell, name: str, chance: float, regions: Regions | None) -> Panel:
    """Return a panel; an exact map tells the probability that it splits up."""
    if regions is not None:
        return Panel(cell, name, regions.probability, str(regions))
    return Panel(cell, name, None if math.isnan(chance) else chance)


def arrays_of(attribution: Attribution, index: int) -> dict[str, np.ndarray]:
    """Return what is kept of one image: map t i j, saliency t h w, target, score, probability t.

    A score function has target -1.
    """
    one = attribution.one(index)
    count = one.maps.shape[1]
    targets = np.full(count, -1) if one.targets is None else one.targets[0].cpu().numpy()
    return {
        "map": _numpy(one.maps[0]),
        "saliency": _numpy(one.saliency()[0]),
        "target": targets,
        "score": _numpy(one.scores[0]),
        "probability": _numpy(one.probabilities[0]),
    }


def write_one(
    attribution: Attribution,
    index: int,
    folder: Path,
    image: UInt8[np.ndarray, "h w 3"] | None,
) -> None:
    """Write METHOD.npz, and METHOD.png where the image is known, into ``folder``."""
    stem = file_stem(attribution.method)
    if image is not None:
        with replacing(folder / f"{stem}.png") as path:
            path.write_bytes(encode_png(panel_of(attribution, index, image)))
    with replacing(folder / f"{stem}.npz") as path:
        path.write_bytes(encode_arrays(arrays_of(attribution, index)))


def known_pictures(
    attribution: Attribution, images: Tensor | None
) -> list[UInt8[np.ndarray, "h w 3"]]:
    """Return the images to draw on: those given, else those that were explained.

    Raises:
        InputError: neither is there, or their number or range does not fit.
    """
    shown = images if images is not None else attribution.images
    if shown is None:
        raise InputError(
            "the pictures behind these inputs are not known; give them as RGB in [0, 1], n c h w"
        )
    if shown.dim() != 4 or len(shown) != len(attribution) or shown.shape[1] not in {1, 3}:
        raise InputError(
            f"images must be ({len(attribution)}, 3, h, w) or grey, not {tuple(shown.shape)}"
        )
    if float(shown.min()) < 0 or float(shown.max()) > 1:
        raise InputError(
            f"images must lie in [0, 1], not [{float(shown.min()):.3g}, {float(shown.max()):.3g}];"
            " undo the normalisation of the inputs first"
        )
    return [picture_of(image) for image in shown.expand(-1, 3, -1, -1)]


def as_html(attribution: Attribution) -> str:
    """Return the panels as HTML for a notebook; the description alone where images are unknown."""
    text = f"<p><code>{html.escape(repr(attribution))}</code></p>"
    if attribution.images is None:
        return text
    pictures = [
        base64.b64encode(encode_png(panel_of(attribution, index, image))).decode()
        for index, image in enumerate(known_pictures(attribution, None))
    ]
    tags = [f'<img src="data:image/png;base64,{p}" style="max-width:100%">' for p in pictures]
    return text + "".join(tags)


def _doubles(maps: Tensor) -> Float[np.ndarray, "t h w"]:
    array: np.ndarray = maps.detach().double().cpu().numpy()
    return array


def _numpy(tensor: Tensor) -> np.ndarray:
    kept = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    array: np.ndarray = kept.detach().cpu().numpy()
    return array
