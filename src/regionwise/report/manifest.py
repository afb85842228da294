"""The manifest: what made a result, as JSON can hold it, without the time of day."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np
import PIL
import torch

from regionwise._version import __version__
from regionwise.attribution.recipe import Recipe
from regionwise.attribution.result import Attribution
from regionwise.report.gallery import Explained


def versions() -> dict[str, str]:
    """Return the versions of what computes and draws."""
    return {
        "regionwise": __version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }


def method_record(recipe: Recipe) -> dict[str, Any]:
    """Return a method's id, where it is from, and all its settings, defaults included."""
    card = recipe.card
    return {
        "id": recipe.id,
        "title": card.title,
        "reference": card.reference,
        "class_agnostic": card.class_agnostic,
        "settings": dict(recipe.settings),
    }


def image_record(
    explained: Explained, *, source: str, folder: str, files: Sequence[str]
) -> dict[str, Any]:
    """Return what was predicted and explained of one image, and where it lies.

    Args:
        explained: the image.
        source: where it was read from.
        folder: the name of its results.
        files: that hold them.
    """
    name, probability = explained.first.top[0]
    return {
        "source": source,
        "folder": folder,
        "predicted": {"name": name, "probability": _number(probability)},
        "targets": _targets(explained.first),
        "flags": {
            method: [list(reasons) for reasons in attribution.flags[0]]
            for method, attribution in explained.attributions.items()
            if any(attribution.flags[0])
        },
        "files": list(files),
    }


def _targets(attribution: Attribution) -> list[dict[str, Any]]:
    names = attribution.target_names[0]
    indices: list[int | None] = (
        [None] * len(names) if attribution.targets is None else attribution.targets[0].tolist()
    )
    scores, chances = attribution.scores[0].tolist(), attribution.probabilities[0].tolist()
    return [
        {"name": name, "index": index, "score": _number(score), "probability": _number(chance)}
        for name, index, score, chance in zip(names, indices, scores, chances, strict=True)
    ]


def _number(value: float) -> float | None:
    """Return what JSON can hold: it has no NaN."""
    return value if isfinite(value) else None
