"""Images of which a part is kept or removed, and what takes the place of removed pixels."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Literal, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.attribution.blur import gaussian_blur, gaussian_kernel, mirrored
from regionwise.errors import SettingError
from regionwise.evidence.masking import apply_mask
from regionwise.metrics.case import Case
from regionwise.metrics.ranking import ranks_of
from regionwise.models.preprocessing import Preprocessing
from regionwise.shapes import Inputs, Logits

Fill: TypeAlias = Literal["mean", "black", "blur", "blur-rise", "blur-group-cam", "box"]
"""What removed pixels become; see :func:`filling`."""

Keep: TypeAlias = Literal["soft", "top-half"]
"""How a map keeps pixels; see :func:`keep_of`."""


def filling(inputs: Inputs, fill: Fill, preprocessing: Preprocessing | None = None) -> Inputs:
    """Return what takes the place of removed pixels, n c h w.

    - ``mean``: 0 in the space of the inputs; the mean colour if they are normalised.
    - ``black``: black before normalisation.
    - ``blur``: the image under a Gaussian of 31 pixels, deviation 15, mirrored at the border
      (CALM's ``get_baseline``).
    - ``blur-rise``: 11 pixels, deviation 5, zeros beyond the border (RISE's insertion).
    - ``blur-group-cam``: 51 pixels, deviation 50, mirrored (Group-CAM).
    - ``box``: the mean over a square of a fifth of the rows, mirrored.

    Raises:
        SettingError: black is asked for, and the preprocessing is not known.
    """
    if fill == "mean":
        return torch.zeros_like(inputs)
    if fill == "black":
        if preprocessing is None:
            raise SettingError(
                "fill=black needs to know how inputs were normalised: give the judge a classifier"
                " with its preprocessing, or use fill=mean"
            )
        return preprocessing.normalize(torch.zeros_like(inputs))
    if fill == "blur-rise":
        return rise_blur(inputs)
    if fill == "box":
        return box_blur(inputs, inputs.shape[2] // 5)
    width, sigma = (31, 15.0) if fill == "blur" else (51, 50.0)
    return gaussian_blur(inputs, width=width, sigma=sigma)


def rise_blur(inputs: Inputs, width: int = 11, sigma: float = 5.0) -> Inputs:
    """Blur as RISE's code does: with zeros beyond the border, and a folded Gaussian.

    Its kernel is a single one blurred within ``width`` pixels, so that what leaves the window on
    one side comes back mirrored (border repeated), and the weights sum to one.

    Reference: Petsiuk et al. 2018, code (``gkern``).
    """
    reach = int(4 * sigma + 0.5)
    weights = gaussian_kernel(2 * reach + 1, sigma)
    places = (torch.arange(-reach, reach + 1) + width // 2) % (2 * width)
    folded = torch.minimum(places, 2 * width - 1 - places)
    kernel = torch.zeros(width, dtype=weights.dtype).index_add(0, folded, weights).to(inputs)
    n, c, h, w = inputs.shape
    planes = inputs.reshape(n * c, 1, h, w)
    planes = F.conv2d(planes, kernel[None, None, :, None], padding=(width // 2, 0))
    planes = F.conv2d(planes, kernel[None, None, None], padding=(0, width // 2))
    return planes.reshape(n, c, h, w)


def box_blur(inputs: Inputs, width: int) -> Inputs:
    """Average over a square of ``width`` pixels, made odd; the border is mirrored."""
    n, c, h, w = inputs.shape
    margin = max(width, 1) // 2
    rows, columns = mirrored(h, margin), mirrored(w, margin)
    padded = inputs[:, :, rows.to(inputs.device)][..., columns.to(inputs.device)]
    return F.avg_pool2d(padded, 2 * margin + 1, stride=1).reshape(n, c, h, w)


def top_half(saliency: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Keep the values of the higher half of the pixels, rounded down; zero elsewhere.

    Of equal values the first in reading order is the higher.

    Reference: Wang et al. 2020 (Score-CAM), Sec. 4.2.
    """
    pixels = saliency.shape[1] * saliency.shape[2]
    return saliency * (ranks_of(saliency) < pixels // 2)


def keep_of(saliency: Float[Tensor, "n h w"], keep: Keep) -> Float[Tensor, "n h w"]:
    """Return how much of each pixel stays: the saliency (``soft``), or its higher half."""
    return top_half(saliency) if keep == "top-half" else saliency


def kept_images(case: Case, keep: Keep = "soft", fill: Fill = "mean") -> Inputs:
    """Return E x + (1 - E) b: what the map shows stays, the rest is filled with b."""
    return _mixed(case, keep_of(case.saliency, keep), fill)


def removed_images(case: Case, keep: Keep = "soft", fill: Fill = "mean") -> Inputs:
    """Return (1 - E) x + E b: what the map shows is filled with b, the rest stays."""
    return _mixed(case, 1 - keep_of(case.saliency, keep), fill)


def kept_logits(case: Case, keep: Keep = "soft", fill: Fill = "mean") -> Logits:
    """Return the judge's logits of :func:`kept_images`, run once for all metrics."""
    return case.logits_under(kept_key(keep, fill), lambda: kept_images(case, keep, fill))


def removed_logits(case: Case, keep: Keep = "soft", fill: Fill = "mean") -> Logits:
    """Return the judge's logits of :func:`removed_images`, run once for all metrics."""
    return case.logits_under(("removed", keep, fill), lambda: removed_images(case, keep, fill))


def kept_key(keep: Keep, fill: Fill) -> Hashable:
    """Name the images that :func:`kept_images` gives."""
    return "kept", keep, fill


def fill_of(case: Case, fill: Fill) -> Inputs:
    """Return what takes the place of removed pixels in the images of a case."""
    known = None if case.judge is None else case.judge.classifier.preprocessing
    return filling(case.inputs, fill, known)


def _mixed(case: Case, keep: Float[Tensor, "n h w"], fill: Fill) -> Inputs:
    stays = keep.to(case.inputs).unsqueeze(1)
    instead = 0.0 if fill == "mean" else fill_of(case, fill).unsqueeze(1)
    return apply_mask(case.inputs, stays, instead)[:, 0]
