"""What is audited: one picture before one network, its classes, its layer and its head."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from regionwise.attribution.asked import as_inputs
from regionwise.attribution.showing import picture_of
from regionwise.errors import ModelError, TargetError
from regionwise.evidence.needs import JOINT, POOLED_HEAD
from regionwise.evidence.probe import Probe
from regionwise.evidence.resolve import resolve_targets
from regionwise.evidence.targets import class_name
from regionwise.models.adapters import chances
from regionwise.models.classifier import Classifier
from regionwise.report.audit_result import Ranked
from regionwise.shapes import Inputs

SHOWN = 5
"""Classes whose probability is shown."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One picture before one network.

    Attributes:
        classifier: the network; its layer is the one that is explained.
        inputs: what it sees, 1 c h w.
        image: the same as RGB.
        probabilities: of all classes.
        exclusive: they add up to one.
        channels: of the layer's map.
        head: ``cape`` or ``calm`` where the head gives exact contributions, ``pooled`` where it is
            pooling and linear, else empty.
        target: the class that is explained.
        against: the other class; ``None`` where there is one class only.
    """

    classifier: Classifier
    inputs: Inputs
    image: UInt8[np.ndarray, "h w 3"]
    probabilities: Float[Tensor, " y"]
    exclusive: bool
    channels: int
    head: str
    target: Ranked
    against: Ranked | None

    @property
    def targets(self) -> Int[Tensor, " 1"]:
        """The class that is explained, as methods and metrics take it."""
        return torch.tensor([self.target.index])

    @property
    def top(self) -> tuple[Ranked, ...]:
        """The most probable classes."""
        order = self.probabilities.argsort(descending=True, stable=True)[:SHOWN].tolist()
        return tuple(_ranked(index, self.probabilities, self.classifier) for index in order)


def open_subject(
    classifier: Classifier,
    picture: Image.Image,
    *,
    target: str | None,
    against: str | None,
    layer: str | None,
) -> Subject:
    """Show the picture to the network once, and find out what can be asked.

    Raises:
        InputError: the model brings no preprocessing.
        ModelError: the network gives no probabilities, or has no layer to explain.
        TargetError: a class does not exist, or is set against itself.
    """
    inputs, shown = as_inputs(classifier, picture)
    chosen = layer if layer is not None else classifier.layer
    needs = frozenset({JOINT, POOLED_HEAD})
    with Probe(classifier.module, inputs, layer=chosen, needs=needs) as probe:
        link, logits = probe.targets.link, probe.logits
        if link == "identity":
            raise ModelError("an audit needs probabilities, and a regression gives none")
        placed = replace(classifier, layer=probe.layer)
        head, channels = _head_of(probe), probe.activations.shape[1]
    pair = _pair(logits, classifier, target, against)
    found = chances(logits, link)[0].double().cpu()
    seen = inputs if shown is None else shown
    return Subject(
        classifier=placed,
        inputs=inputs,
        image=picture_of(seen[0].expand(3, -1, -1)),
        probabilities=found,
        exclusive=link == "softmax",
        channels=channels,
        head=head,
        target=_ranked(pair[0], found, classifier),
        against=_ranked(pair[1], found, classifier) if len(pair) > 1 else None,
    )


def _head_of(probe: Probe) -> str:
    try:
        return probe.joint[0]
    except ModelError:
        return "pooled" if _is_pooled(probe) else ""


def _is_pooled(probe: Probe) -> bool:
    try:
        head = probe.pooled_head
    except ModelError:
        return False
    return head is not None


def _pair(
    logits: Tensor, classifier: Classifier, target: str | None, against: str | None
) -> list[int]:
    """Return the class and the other one; what was not named is the most probable that is left."""
    named = [None if t is None else _one(t, logits, classifier) for t in (target, against)]
    order = logits[0].argsort(descending=True, stable=True).tolist()
    first = next((i for i in order if i != named[1]), named[1]) if named[0] is None else named[0]
    second = next((i for i in order if i != first), None) if named[1] is None else named[1]
    if first == second:
        raise TargetError(f"class {first} cannot be set against itself; name another class")
    return [index for index in (first, second) if index is not None]


def _one(text: str, logits: Tensor, classifier: Classifier) -> int:
    indices = resolve_targets(text, logits, classifier.class_names).indices
    if indices is None or indices.shape[1] != 1:
        raise TargetError(f"an audit is of one class, and {text!r} is several; give one")
    return int(indices[0, 0])


def _ranked(index: int, probabilities: Float[Tensor, " y"], classifier: Classifier) -> Ranked:
    name = class_name(index, classifier.class_names).replace("_", " ")
    return Ranked(index, name, float(probabilities[index]))
