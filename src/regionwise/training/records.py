"""What a run says of itself: the parts of ``config.json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from regionwise.training.data import Splits
from regionwise.training.request import TrainRequest
from regionwise.training.samples import LabelledData
from regionwise.training.schemes import Scheme, SchemeCard


def scheme_record(card: SchemeCard, scheme: Scheme) -> dict[str, Any]:
    """Return the published recipe's name, what was changed in it, and all settings."""
    return {
        "name": card.name,
        "reference": card.reference,
        "changed": scheme.changed_from(card.scheme),
        "settings": asdict(scheme),
    }


def data_record(data: LabelledData, splits: Splits, request: TrainRequest) -> dict[str, Any]:
    """Return what was trained on, and how it was shared out."""
    return {
        "source": data.source,
        "sha256": data.fingerprint(),
        "train": len(splits.train),
        "validation": len(splits.validation),
        "test": len(splits.test),
        "validation_share": request.validation,
        "folds": request.folds,
        "fold": request.fold,
        "groups": request.groups,
    }


def training_record(request: TrainRequest) -> dict[str, Any]:
    """Return the other choices that change what comes out."""
    return {
        "seed": request.seed,
        "from": request.given,
        "weights": request.weights,
        "precision": request.precision,
        "devices": request.devices,
        "accumulate": request.accumulate,
    }
