"""An attribution as pictures and files."""

from __future__ import annotations

import base64
import html
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from regionwise.attribution.catalog import methods
from regionwise.errors import InputError
from regionwise.files import replacing
from regionwise.pictures.cell import Cell, overlay_cell
from regionwise.pictures.encoding import encode_arrays, encode_png
from regionwise.pictures.panel import Panel, panel

if TYPE_CHECKING:
    from regionwise.attribution.result import Attribution


def file_stem(method: str) -> str:
    """Return a method's id as a file name; a colon is not allowed in one everywhere."""
    return method.replace(":", ",")


def picture_of(image: Float[Tensor, "c h w"]) -> UInt8[np.ndarray, "h w c"]:
    """Return an image in [0, 1] as 8-bit RGB."""
    scaled = (image.detach().double().clamp(0, 1) * 255).round()
    pixels: np.ndarray = scaled.permute(1, 2, 0).cpu().numpy().astype(np.uint8)
    return pixels


def cells_of(
    attribution: Attribution, index: int, image: UInt8[np.ndarray, "h w 3"]
) -> tuple[Cell, ...]:
    """Return an overlay for each target of one image, or the reason why there is none."""
    size = (image.shape[0], image.shape[1])
    maps = attribution.one(index).saliency(size)[0].double().cpu().numpy()
    return tuple(
        overlay_cell(image, saliency, reasons)
        for saliency, reasons in zip(maps, attribution.flags[index], strict=True)
    )


def panel_of(
    attribution: Attribution, index: int, image: UInt8[np.ndarray, "h w 3"]
) -> Image.Image:
    """Return the overlays of one image with class, probability and colour bar."""
    chances = attribution.probabilities[index].tolist()
    panels = [
        Panel(cell, name, chance if chance == chance else None)  # noqa: PLR0124 - NaN is not itself
        for cell, name, chance in zip(
            cells_of(attribution, index, image),
            attribution.target_names[index],
            chances,
            strict=True,
        )
    ]
    card = methods.card(attribution.method.partition(":")[0])
    detail = attribution.layer if card.uses_layer else ""
    return panel(panels, method=attribution.method, detail=detail)


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


def _numpy(tensor: Tensor) -> np.ndarray:
    kept = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    array: np.ndarray = kept.detach().cpu().numpy()
    return array
