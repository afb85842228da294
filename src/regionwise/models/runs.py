"""Reading what a training left behind: a run folder, and the networks that travel with the package.

A run folder holds ``config.json`` (what the network is, its preprocessing, its class names) and
``weights.safetensors``. A shipped network has the same in ``NAME.json`` and ``NAME.safetensors``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from regionwise.errors import InputError, ModelError, RegionwiseError, SettingError, WeightsError
from regionwise.heads.network import NetworkSpec, RegionNetwork, build_network
from regionwise.models.classifier import Classifier
from regionwise.models.hashes import sha256_of
from regionwise.models.preprocessing import Preprocessing
from regionwise.models.shipped import shipped_card, shipped_weights
from regionwise.models.sources import RANDOM, first_line
from regionwise.models.weights import fit_weights, tensors_of
from regionwise.regular import text_of
from regionwise.trust import check_named, file_of

KIND: Final = "regionwise-run"
VERSION: Final = 1
CONFIG: Final = "config.json"
WEIGHTS: Final = "weights.safetensors"
CARD: Final = "card.json"
HASH: Final = "weights_sha256"
LAYER: Final = "backbone"

_HEAD_OF: Final = {
    "head.linear.weight": "pooled",
    "head.log_temperatures": "cape",
    "head.cue.weight": "calm",
}
_CLASSES_IN: Final = ("head.linear.weight", "head.weight", "head.cue.weight")


@dataclass(frozen=True)
class RunConfig:
    """What is needed to build a trained network again.

    Attributes:
        network: backbone and head.
        preprocessing: from a picture to its inputs.
        class_names: in the order of the logits.
    """

    network: NetworkSpec
    preprocessing: Preprocessing
    class_names: tuple[str, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunConfig:
        """Return the part of a run's configuration that describes the network.

        Raises:
            InputError, SettingError: a field is missing or makes no sense; it is named.
        """
        for name in ("network", "preprocessing", "class_names"):
            if name not in value:
                raise SettingError(f"the field {name!r} is missing")
        spec = NetworkSpec.from_json(value["network"])
        names = value["class_names"]
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            raise SettingError("class_names must be a list of names")
        if len(names) != spec.classes:
            raise SettingError(
                f"class_names holds {len(names)} names, but the network has {spec.classes} classes"
            )
        return cls(spec, Preprocessing.from_json(value["preprocessing"]), tuple(names))

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "network": self.network.to_json(),
            "preprocessing": self.preprocessing.describe(),
            "class_names": list(self.class_names),
        }

    def build(self) -> RegionNetwork:
        """Build the network with weights drawn from a seed; nothing is downloaded."""
        return build_network(self.network, weights=RANDOM, size=self.preprocessing.size)


def read_config(run: Path) -> RunConfig:
    """Read what network a run folder holds.

    Raises:
        ModelError: the folder is no run, or its configuration is damaged or too new, or names a
            file of code that the user did not name.
    """
    path = run / CONFIG
    if not path.is_file():
        raise ModelError(f"{str(run)!r} is no run: there is no {CONFIG} in it")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{str(path)!r} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict) or value.get("kind") != KIND:
        raise ModelError(f"{str(run)!r} is no run: {CONFIG} is not of the kind {KIND!r}")
    version = value.get("version")
    if version != VERSION:
        raise ModelError(
            f"{str(run)!r} was written in version {version!r} of the format, and this is version"
            f" {VERSION}; install a newer regionwise"
        )
    try:
        config = RunConfig.from_json(value)
        named = file_of(config.network.backbone.source)
        check_named([named] if named else [], "this run")
    except (InputError, SettingError) as error:
        raise ModelError(f"{str(path)!r}: {error}") from error
    return config


def load_run(run: Path, *, random: bool = False) -> Classifier:
    """Open the network of a run folder.

    Raises:
        ModelError: the folder is no run.
        WeightsError: its weights are missing, truncated, or of another network.
    """
    config = read_config(run)
    network = _built(config, run / CONFIG)
    if not random:
        _check_weights(run)
        fit_head(network, config.network, run / WEIGHTS)
    return _classifier(network, config, str(run), RANDOM if random else WEIGHTS)


def _check_weights(run: Path) -> None:
    """Hold the weights against the hash in the card; a run that was killed has no card.

    Raises:
        WeightsError: they are damaged, or others.
    """
    try:
        card = json.loads(text_of(run / CARD))
    except (OSError, ValueError, RecursionError):
        return
    known = card.get(HASH) if isinstance(card, dict) else None
    if known is not None and (run / WEIGHTS).is_file() and sha256_of(run / WEIGHTS) != known:
        raise WeightsError(
            f"{str(run / WEIGHTS)!r} is not what was trained: {CARD} knows another hash; copy it"
            f" again, or, if it was changed on purpose, remove {HASH!r} from {CARD}"
        )


def _built(config: RunConfig, path: Path) -> RegionNetwork:
    """Build what a configuration asks for; it may ask for anything.

    Raises:
        ModelError: there is no such network, or it does not fit into memory.
    """
    try:
        return config.build()
    except RegionwiseError as error:
        raise ModelError(f"{str(path)!r}: {error}") from error
    except Exception as error:  # the builders of other libraries raise nearly everything
        raise ModelError(
            f"{str(path)!r} asks for a network that cannot be built"
            f" ({type(error).__name__}: {first_line(error)})"
        ) from error


def load_shipped_run(name: str, *, random: bool = False) -> Classifier:
    """Open a network that explains itself and travels with the package."""
    config = RunConfig.from_json(shipped_card(name))
    network = config.build()
    if not random:
        with shipped_weights(name) as path:
            fit_head(network, config.network, path)
    return _classifier(network, config, name, RANDOM if random else "shipped")


def fit_head(network: RegionNetwork, spec: NetworkSpec, path: Path) -> None:
    """Load weights into a network; a checkpoint of another head, or classes, is told by name.

    Raises:
        WeightsError: they are missing, damaged, or do not fit.
    """
    state = tensors_of(path)
    kinds = [kind for name, kind in _HEAD_OF.items() if name in state]
    if kinds and kinds[0] != spec.head:
        raise WeightsError(
            f"{str(path)!r} holds a {kinds[0]} head, but the network has a {spec.head} head"
        )
    classes = _classes_of(state)
    if classes not in {None, spec.classes}:
        raise WeightsError(
            f"{str(path)!r} holds a head for {classes} classes, but the network has {spec.classes}"
        )
    fit_weights(network, state, path)


def _classes_of(state: Mapping[str, Tensor]) -> int | None:
    return next((len(state[name]) for name in _CLASSES_IN if name in state), None)


def _classifier(network: RegionNetwork, config: RunConfig, source: str, weights: str) -> Classifier:
    return Classifier(
        network, config.preprocessing, config.class_names, source, weights, layer=LAYER
    )
