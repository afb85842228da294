"""The classifiers that travel with the package: weights in half precision, and a card each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import torch

from regionwise.errors import ModelError
from regionwise.models.birdnet import BirdNet
from regionwise.models.classifier import Classifier
from regionwise.models.preprocessing import Preprocessing
from regionwise.models.weights import load_weights

_FOLDER = files("regionwise.models") / "weights_shipped"


@cache
def shipped_names() -> tuple[str, ...]:
    """Return the names of the shipped classifiers, oldest first."""
    names = [Path(item.name).stem for item in _FOLDER.iterdir() if item.name.endswith(".json")]
    return tuple(sorted(names, key=lambda name: (name.rpartition("-")[0], len(name), name)))


def shipped_card(name: str) -> dict[str, Any]:
    """Return the card of a shipped classifier: data, command, accuracies, preprocessing."""
    card: dict[str, Any] = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return card


def is_network(source: str) -> bool:
    """Whether a shipped name is a network that explains itself, and no plain classifier."""
    return "network" in shipped_card(_resolved(source))


@contextmanager
def shipped_weights(name: str) -> Iterator[Path]:
    """Give the path of the weights of a shipped classifier."""
    with as_file(_FOLDER / f"{name}.safetensors") as path:
        yield path


def load_shipped(source: str, *, random: bool = False) -> Classifier:
    """Build a shipped classifier; ``birds`` is the newest of its series, ``birds-1`` and so on."""
    name = _resolved(source)
    card = shipped_card(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = BirdNet(len(card["class_names"]), **card["architecture"])
    if not random:
        with shipped_weights(name) as path:
            load_weights(module, path)
    return Classifier(
        module,
        Preprocessing.from_json(card["preprocessing"]),
        tuple(card["class_names"]),
        source=name,
        weights="random" if random else "shipped",
        layer=card["layer"],
    )


def _resolved(source: str) -> str:
    return source if source in shipped_names() else _newest(source)


def _newest(series: str) -> str:
    """Return the last numbered version of a series; ``birds-cape`` is none of ``birds``."""
    versions = [name for name in shipped_names() if re.fullmatch(rf"{re.escape(series)}-\d+", name)]
    if not versions:
        raise ModelError(f"the weights of {series!r} are missing; install regionwise again")
    return versions[-1]
