"""From attributions of a batch to what is shown and kept of each image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isnan

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from regionwise.attribution.catalog import methods
from regionwise.attribution.result import Attribution
from regionwise.errors import InputError
from regionwise.evidence.probe import GRADIENTS, MASKED_SCORES, POOLED_HEAD
from regionwise.pictures.cell import overlay_cell
from regionwise.pictures.panel import Panel, panel
from regionwise.pictures.sheet import Row

_OF_A_LAYER = frozenset({GRADIENTS, MASKED_SCORES, POOLED_HEAD})


@dataclass(frozen=True)
class Finding:
    """What one method says about one image, a map for each target.

    Attributes:
        method: canonical id.
        maps: raw and signed, t i j.
        saliency: in [0, 1] at the size of the model's input, t h w.
        reasons: why a map says nothing, t x reasons.
    """

    method: str
    maps: Float[np.ndarray, "t i j"]
    saliency: Float[np.ndarray, "t h w"]
    reasons: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Explained:
    """What all methods say about one image.

    Attributes:
        image: as the model saw it, h w 3.
        layer: path of the explained layer.
        predicted: the predicted class and its probability.
        targets: classes explained, t; ``None`` where a score function was.
        names: what the targets are called.
        scores: logits of the targets (or values of the function), t.
        probabilities: of the targets, t; NaN for a score function.
        findings: one for each method.
    """

    image: UInt8[np.ndarray, "h w 3"]
    layer: str
    predicted: tuple[str, float]
    targets: Int[np.ndarray, " t"] | None
    names: tuple[str, ...]
    scores: Float[np.ndarray, " t"]
    probabilities: Float[np.ndarray, " t"]
    findings: tuple[Finding, ...]


def split_batch(attributions: Mapping[str, Attribution]) -> list[Explained]:
    """Return what was found about each image of a batch that several methods explained.

    Raises:
        InputError: there is no attribution, or nobody knows what the images looked like.
    """
    if not attributions:
        raise InputError("there is no attribution to show")
    first = next(iter(attributions.values()))
    if first.images is None:
        raise InputError(
            "the images behind these inputs are not known; explain pictures instead of tensors,"
            " or use a model with preprocessing"
        )
    shown = _array(first.images.permute(0, 2, 3, 1).double())
    images = np.rint(shown * 255).astype(np.uint8)
    by_method = [_findings(attribution) for attribution in attributions.values()]
    return [
        _explained(first, n, images[n], findings)
        for n, findings in enumerate(zip(*by_method, strict=True))
    ]


def method_panel(explained: Explained, finding: Finding) -> Image.Image:
    """Return one method's overlays, one for each target, with class, probability and scale."""
    panels = [
        Panel(overlay_cell(explained.image, saliency, reasons), name, _known(probability))
        for saliency, reasons, name, probability in zip(
            finding.saliency,
            finding.reasons,
            explained.names,
            explained.probabilities.tolist(),
            strict=True,
        )
    ]
    return panel(panels, method=finding.method, detail=_layer_note(explained, finding))


def method_arrays(explained: Explained, finding: Finding) -> dict[str, np.ndarray]:
    """Return ``map`` (t i j, raw), ``saliency`` (t h w), ``score`` and ``probability`` (t).

    Where classes were explained, ``target`` (t) holds their indices.
    """
    arrays = {
        "map": finding.maps,
        "saliency": finding.saliency,
        "score": explained.scores,
        "probability": explained.probabilities,
    }
    return arrays if explained.targets is None else arrays | {"target": explained.targets}


def sheet_rows(explained: Explained, source: str) -> list[Row]:
    """Return a row of the contact sheet for each target of the image."""
    return [
        Row(
            image=explained.image,
            name=name,
            probability=_known(probability),
            cells=tuple(
                overlay_cell(explained.image, finding.saliency[t], finding.reasons[t])
                for finding in explained.findings
            ),
            source="" if t else source,
            continues=t > 0,
        )
        for t, (name, probability) in enumerate(
            zip(explained.names, explained.probabilities.tolist(), strict=True)
        )
    ]


def file_stem(method: str) -> str:
    """Return a method's canonical id as a file name that every system accepts."""
    return re.sub(r'[<>"/\\|?*]', "_", method.replace(":", ","))


def _findings(attribution: Attribution) -> list[Finding]:
    maps, saliency = _array(attribution.maps), _array(attribution.saliency())
    return [
        Finding(attribution.method, maps[n], saliency[n], attribution.flags[n])
        for n in range(len(maps))
    ]


def _explained(
    first: Attribution, n: int, image: UInt8[np.ndarray, "h w 3"], findings: tuple[Finding, ...]
) -> Explained:
    return Explained(
        image=image,
        layer=first.layer,
        predicted=first.top[n],
        targets=None if first.targets is None else _array(first.targets[n]),
        names=first.target_names[n],
        scores=_array(first.scores[n]),
        probabilities=_array(first.probabilities[n]),
        findings=findings,
    )


def _array(tensor: Tensor) -> np.ndarray:
    """Return a tensor as an array; bfloat16, which numpy lacks, becomes float32."""
    tensor = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
    return tensor.detach().cpu().numpy()


def _known(probability: float) -> float | None:
    return None if isnan(probability) else probability


def _layer_note(explained: Explained, finding: Finding) -> str:
    """Name the layer where the method reads one; the gradient and the controls do not."""
    name = finding.method.partition(":")[0]
    reads = name not in methods or methods.card(name).needs & _OF_A_LAYER
    return f"at {explained.layer}" if reads else ""
