"""The vanilla head that a classifier already has, where CAPE can take it over as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from regionwise.errors import ModelError
from regionwise.heads.pooled import PooledHead, find_pooled_head
from regionwise.models.backbones import Backbone
from regionwise.models.classifier import Classifier
from regionwise.shapes import Inputs

if TYPE_CHECKING:
    from regionwise.models.graphs import Step

_SILENT: Final = (
    "weight",
    "getattr",
    "getitem",
    "size",
    "view",
    "reshape",
    "squeeze",
    "unsqueeze",
    "mean",
)


def pooled_head_of(classifier: Classifier, backbone: Backbone) -> PooledHead:
    """Return the linear layer of a classifier that is pooling and linear behind the backbone.

    That is checked in numbers, with the classifier's own weights and with others in their place: a
    head that starts at zero would otherwise fit anything.

    Args:
        classifier: the whole network.
        backbone: built from the same source, with the same weights and for the same size.

    Raises:
        ModelError: it is not; the message names what stands between map and logits.
    """
    module = classifier.module
    inputs = classifier.noise(count=2)
    training = {m: m.training for m in (*module.modules(), *backbone.modules())}
    try:
        module.eval()
        backbone.eval()
        with torch.no_grad():
            return _checked_head(module, backbone, inputs)
    except ModelError as error:
        between = _between(module, backbone, inputs)
        what = f": {', '.join(between)} stand{'s' * (len(between) == 1)} between" if between else ""
        raise ModelError(
            f"behind its map {classifier.source!r} is not average pooling and one linear layer"
            f"{what}, so there are no class weights to take over; train a head instead"
        ) from error
    finally:
        for part, mode in training.items():
            part.training = mode


def _checked_head(module: nn.Module, backbone: Backbone, inputs: Inputs) -> PooledHead:
    activations = backbone(inputs)
    head = find_pooled_head(module, activations, module(inputs))
    own = module.get_submodule(head.name).state_dict()
    generator = torch.Generator().manual_seed(0)
    drawn = {n: torch.randn(v.shape, generator=generator).to(v) for n, v in own.items()}
    logits = functional_call(module, {f"{head.name}.{n}": v for n, v in drawn.items()}, inputs)
    weight = drawn["weight"].flatten(1)
    expected = activations.mean(dim=(-2, -1)) @ weight.T + drawn.get("bias", weight.new_zeros(()))
    if not torch.allclose(logits, expected, rtol=1e-3, atol=float(expected.abs().max()) * 1e-4):
        raise ModelError("the layer found is not the only one behind the map")
    return replace(head, weight=head.weight.clone(), bias=head.bias.clone())


def _between(module: nn.Module, backbone: Backbone, inputs: Inputs) -> list[str]:
    """Return the kinds of operations from the map to the logits; nothing if it cannot be seen."""
    if backbone.grid.prefix:
        return ["a class token, or what else is no cell,"]
    from regionwise.models.graphs import steps_of  # noqa: PLC0415 - loads torchvision

    with torch.no_grad():
        activations = backbone(inputs)
    try:
        steps = steps_of(module, inputs)
    except ModelError:
        return []
    last = max((i for i, s in enumerate(steps) if _is_map(s, backbone, activations)), default=None)
    if last is None:
        return []
    told = [s for s in steps[last + 1 :] if not s.passes_on and s.kind not in _SILENT]
    return [s.kind for s in _without_classifier(told)]


def _is_map(step: Step, backbone: Backbone, activations: Tensor) -> bool:
    value = step.value
    axes = 3 if backbone.grid.layout == "tokens" else 4
    if not isinstance(value, Tensor) or value.dim() != axes or len(value) != step.images:
        return False
    try:
        return torch.equal(backbone.grid.read(value), activations)
    except RuntimeError:
        return False


def _without_classifier(steps: Sequence[Step]) -> Sequence[Step]:
    return steps[:-1] if steps and steps[-1].kind.lower() in {"linear", "conv2d"} else steps
