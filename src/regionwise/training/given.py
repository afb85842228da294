"""A finished network to start from: its backbone, and the vanilla head that may lie behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from regionwise.errors import ModelError
from regionwise.heads.cape import Cape
from regionwise.heads.network import RegionNetwork
from regionwise.heads.pooled import Pooled, PooledHead
from regionwise.heads.vanilla import pooled_head_of
from regionwise.models.backbones import Backbone, BackboneSpec, build_backbone
from regionwise.models.classifier import Classifier
from regionwise.models.preprocessing import Preprocessing
from regionwise.models.runs import RunConfig, read_config
from regionwise.models.shipped import shipped_card
from regionwise.zoo import load_model


@dataclass(frozen=True, eq=False)
class Given:
    """What a network gives to a run.

    Attributes:
        source: what it was loaded from.
        backbone: how to build its backbone.
        state: the backbone's weights.
        vanilla: its vanilla head, or why there is none.
        temperatures: those of its CAPE head, if it has one.
        class_names: in the order of its classes, if known.
        preprocessing: its own, if known.
    """

    source: str
    backbone: BackboneSpec
    state: Mapping[str, Tensor]
    vanilla: PooledHead | ModelError
    temperatures: Float[Tensor, " t"] | None
    class_names: tuple[str, ...] | None
    preprocessing: Preprocessing | None


def open_given(source: str) -> Given:
    """Load a run's folder, or a classifier by name.

    Raises:
        ModelError: it cannot be loaded, or has no spatial map.
        WeightsError: its weights cannot be read.
    """
    classifier = load_model(source)
    if isinstance(classifier.module, RegionNetwork):
        return _of_network(source, classifier, classifier.module)
    return _of_classifier(source, classifier)


def vanilla_of(given: Given, classes: int) -> PooledHead:
    """Return the vanilla head of a network for so many classes.

    Raises:
        ModelError: it has none, or one for another number of classes.
    """
    if isinstance(given.vanilla, ModelError):
        raise ModelError(
            f"{given.source!r} cannot be post-fitted: {given.vanilla}"
        ) from given.vanilla
    if len(given.vanilla.weight) != classes:
        raise ModelError(
            f"{given.source!r} knows {len(given.vanilla.weight)} classes and the data have"
            f" {classes}; post-fitting needs the same classes"
        )
    return given.vanilla


def _of_network(source: str, classifier: Classifier, network: RegionNetwork) -> Given:
    vanilla = network.vanilla or (network.head if isinstance(network.head, Pooled) else None)
    head: PooledHead | ModelError = ModelError(
        "it has no vanilla head; train one on its backbone with --head pooled first"
    )
    if vanilla is not None:
        linear = vanilla.linear
        head = PooledHead(linear.weight.detach(), linear.bias.detach(), "vanilla.linear")
    own = network.head
    return Given(
        source,
        _spec_of(source),
        network.backbone.state_dict(),
        head,
        own.log_temperatures.detach() if isinstance(own, Cape) else None,
        classifier.class_names,
        classifier.preprocessing,
    )


def _of_classifier(source: str, classifier: Classifier) -> Given:
    spec = BackboneSpec(source)
    size = (224, 224) if classifier.preprocessing is None else classifier.preprocessing.size
    backbone = build_backbone(spec, weights="pretrained", size=size)
    return Given(
        source,
        spec,
        backbone.state_dict(),
        _linear_behind(backbone, classifier),
        None,
        classifier.class_names,
        classifier.preprocessing,
    )


def _linear_behind(backbone: Backbone, classifier: Classifier) -> PooledHead | ModelError:
    """Return W and b with logits = W mean(A) + b, A being the backbone's map, or why not."""
    try:
        return pooled_head_of(classifier, backbone)
    except ModelError as error:
        return error


def _spec_of(source: str) -> BackboneSpec:
    if Path(source).is_dir():
        return read_config(Path(source)).network.backbone
    return RunConfig.from_json(shipped_card(source)).network.backbone
