"""The manifest: what made a result, as JSON can hold it, without the time of day."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import fields
from math import isfinite
from typing import Any

import numpy as np
import PIL
import torch

from regionwise._version import __version__
from regionwise.attribution.catalog import methods
from regionwise.attribution.recipe import Recipe
from regionwise.report.gallery import Explained, file_stem


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
    card = methods.card(recipe.name)
    return {
        "id": recipe.id,
        "title": card.title,
        "reference": card.reference,
        "class_agnostic": card.class_agnostic,
        "settings": {item.name: getattr(recipe, item.name) for item in fields(recipe)},
    }


def image_record(explained: Explained, *, source: str, folder: str) -> dict[str, Any]:
    """Return what was predicted and explained of one image, and where it lies."""
    return {
        "source": source,
        "folder": folder,
        "predicted": {
            "name": explained.predicted[0],
            "probability": _number(explained.predicted[1]),
        },
        "targets": _targets(explained),
        "flags": {
            finding.method: [list(reasons) for reasons in finding.reasons]
            for finding in explained.findings
            if any(finding.reasons)
        },
        "files": [
            f"{folder}/{file_stem(finding.method)}{suffix}"
            for finding in explained.findings
            for suffix in (".png", ".npz")
        ],
    }


def _targets(explained: Explained) -> list[dict[str, Any]]:
    indices: Sequence[int | None] = (
        [None] * len(explained.names) if explained.targets is None else explained.targets.tolist()
    )
    scores, probabilities = explained.scores.tolist(), explained.probabilities.tolist()
    return [
        {"name": name, "index": index, "score": _number(score), "probability": _number(probability)}
        for name, index, score, probability in zip(
            explained.names, indices, scores, probabilities, strict=True
        )
    ]


def _number(value: float) -> float | None:
    """Return what JSON can hold: it has no NaN."""
    return value if isfinite(value) else None
