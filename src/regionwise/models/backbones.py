"""Backbones: any network with a spatial map, cut behind that map, as inputs -> n k i j.

A network with a method ``forward_features`` (all of timm, and whatever follows its example) is used
as it is; its map may be channels-last or tokens. Others are traced and cut behind the last
operation that gives a map, so that a ReLU which is no module (DenseNet) still belongs to it.

>>> backbone = build_backbone(BackboneSpec("birdnet"), weights="random", size=(64, 64))
>>> backbone.channels, backbone.grid.rows, backbone.grid.columns
(256, 4, 4)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

import torch

from regionwise.errors import ModelError, SettingError, nearest
from regionwise.models.birdnet import BirdNet
from regionwise.models.classifier import Classifier
from regionwise.models.cutting import Backbone, Cut, cut_backbone
from regionwise.models.pruning import prune
from regionwise.models.shipped import is_network, load_shipped, shipped_names
from regionwise.models.sources import PRETRAINED, RANDOM, Wish, open_source
from regionwise.models.surgery import Surgery
from regionwise.models.weights import fit_weights, tensors_of

__all__ = ["Backbone", "BackboneSpec", "build_backbone"]


@dataclass(frozen=True)
class BackboneSpec:
    """How to build a backbone again; JSON can hold it.

    Attributes:
        source: ``birdnet``, a shipped name (``birds-1``), ``timm:NAME``, ``torchvision:NAME``, or
            ``file.py:factory``.
        layer: where to cut, as ``regionwise layers`` names it or finer (``features.relu``);
            ``None``: behind the last map.
        larger: how many of the last halvings of the map are undone (CALM: 1).
        surgery: convolutions behind the features, see :func:`gap_convolutions`.
        options: further arguments of the source; ``widths`` and ``depths`` of ``birdnet``.

    Raises:
        SettingError: a value that is not allowed.
    """

    source: str
    layer: str | None = None
    larger: int = 0
    surgery: Surgery = "none"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(asdict(self))

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**asdict(self), "options": dict(self.options)}

    @classmethod
    def from_json(cls, value: Any) -> BackboneSpec:
        """Return the spec that :meth:`to_json` gave.

        Raises:
            SettingError: a field is missing, unknown, or out of range; the field is named.
        """
        known = [f.name for f in fields(cls)]
        if not isinstance(value, Mapping) or "source" not in value:
            raise SettingError(f"a backbone is an object with a 'source', not {value!r}")
        for name in value:
            if name not in known:
                raise SettingError(f"a backbone has no field {name!r}: {nearest(str(name), known)}")
        _check(value)
        return cls(**value)


def _check(value: Mapping[str, Any]) -> None:
    """Refuse fields that no backbone can have, whatever their type: a file may hold anything."""
    allowed: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "source": ("the name of a network", lambda v: isinstance(v, str) and bool(v)),
        "layer": ("a name or null", lambda v: v is None or isinstance(v, str)),
        "larger": ("a whole number from 0 to 5", lambda v: type(v) is int and 0 <= v <= 5),
        "surgery": (f"one of {get_args(Surgery)}", lambda v: v in get_args(Surgery)),
        "options": ("names with values", lambda v: isinstance(v, Mapping)),
    }
    for name, found in value.items():
        what, fits = allowed[name]
        if not fits(found):
            raise SettingError(f"{name} must be {what}, not {found!r}")


def build_backbone(
    spec: BackboneSpec,
    *,
    weights: str | Path = PRETRAINED,
    size: tuple[int, int] = (224, 224),
    seed: int = 0,
) -> Backbone:
    """Build a backbone, in eval mode, without what its map does not depend on.

    Args:
        spec: what to build.
        weights: ``pretrained``, ``random``, or a file: weights of the source's network, or of a
            whole network that was trained on such a backbone (its ``backbone.*`` are taken).
        size: rows and columns of the inputs it is built for.
        seed: of weights that are drawn.

    Raises:
        LayerError: the network has no spatial map at this size.
        ModelError: the source is unknown, or cannot be cut or enlarged.
        SettingError: options that the source does not take.
        WeightsError: weights that cannot be had or do not fit.
    """
    classifier = _source_of(spec, str(weights), size, seed)
    sample = classifier.noise(size, count=2)
    names = frozenset(classifier.module.state_dict())
    cut = Cut(spec.layer, spec.larger, spec.surgery)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        backbone = cut_backbone(classifier.module.eval(), cut, sample)
    prune(backbone, lambda: backbone(sample))
    if str(weights) not in {PRETRAINED, RANDOM}:
        _load(backbone, Path(weights), names)
    backbone.preprocessing = classifier.preprocessing
    return backbone.eval()


def _source_of(spec: BackboneSpec, weights: str, size: tuple[int, int], seed: int) -> Classifier:
    if spec.source == "birdnet":
        return _fresh_birdnet(spec, weights, seed)
    if spec.source in {"birds", *shipped_names()}:
        if is_network(spec.source):
            raise ModelError(
                f"{spec.source!r} is a whole network, not a backbone; give its file as weights"
            )
        return load_shipped(spec.source, random=weights != PRETRAINED)
    options = {**_image_size(spec.source, size), **spec.options}
    found = open_source(spec.source, Wish(weights == PRETRAINED, seed, options))
    if found is None:
        known = ["birdnet", *shipped_names(), "timm:NAME", "torchvision:NAME", "file.py:factory"]
        raise ModelError(
            f"unknown backbone {spec.source!r}: {nearest(spec.source, known, count=5)}"
        )
    return found


def _fresh_birdnet(spec: BackboneSpec, weights: str, seed: int) -> Classifier:
    if weights == PRETRAINED:
        raise SettingError(
            "'birdnet' has no pretrained weights; give weights='random', or the source 'birds-1'"
        )
    unknown = sorted(set(spec.options) - {"widths", "depths"})
    if unknown:
        raise SettingError(f"birdnet has no option {unknown[0]!r}; it has widths and depths")
    for name, numbers in spec.options.items():
        if not isinstance(numbers, list | tuple) or any(
            type(n) is not int or n < 1 for n in numbers
        ):
            raise SettingError(f"birdnet's {name} are whole numbers from 1, not {numbers!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return Classifier(BirdNet(2, **spec.options), source="birdnet")
        except (TypeError, ValueError) as error:
            raise SettingError(
                f"birdnet takes five widths and four depths, not {dict(spec.options)}"
            ) from error


def _image_size(source: str, size: tuple[int, int]) -> dict[str, Any]:
    """Return ``img_size`` where a network of timm is built for one size, and that is another."""
    kind, _, name = source.partition(":")
    if kind != "timm":
        return {}
    import timm  # noqa: PLC0415 - loaded only when it is asked for

    config = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    if config is None or not config.fixed_input_size or tuple(config.input_size[1:]) == size:
        return {}
    return {"img_size": size}


def _load(backbone: Backbone, path: Path, source: frozenset[str]) -> None:
    """Load weights of the source's network, whose names are given, or of one on such a backbone."""
    state = tensors_of(path / "weights.safetensors" if path.is_dir() else path)
    own = backbone.state_dict()
    if any(name.startswith("backbone.") for name in state):
        inner = {
            n.removeprefix("backbone."): v for n, v in state.items() if n.startswith("backbone.")
        }
    else:  # its tail is no part of a backbone; what was added, or traced as constant, stays
        inner = {n: v for n, v in own.items() if n.removeprefix("network.") not in source}
        inner |= {f"network.{n}": v for n, v in state.items() if f"network.{n}" in own}
    fit_weights(backbone, inner, path)
