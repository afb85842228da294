"""Derivatives of scores, as numbers or with a graph of their own."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from regionwise.errors import LayerError, SettingError
from regionwise.evidence.forward import Pass, Watched
from regionwise.evidence.needs import DIRECT
from regionwise.heads.pooled import PooledHead, find_pooled_head
from regionwise.shapes import Activations, Fed, Logits, Scores


def derivatives(
    scores: Scores, sources: Sequence[Tensor], layer: str, *, create_graph: bool = False
) -> tuple[Tensor, ...]:
    """Differentiate every target's score, one pass for each: a tensor n t ... for each source.

    ``create_graph`` lets the derivatives be differentiated again.

    Raises:
        LayerError: a score does not depend on ``layer``, or the inputs, in a differentiable way.
    """
    if not all(t.requires_grad for t in (scores, *sources)):
        raise LayerError(_unreachable(layer))
    with torch.inference_mode(mode=False), torch.enable_grad():
        columns = scores.sum(dim=0).unbind()
    found = [
        torch.autograd.grad(
            column,
            tuple(sources),
            retain_graph=create_graph or rest > 0,
            create_graph=create_graph,
            allow_unused=True,
        )
        for rest, column in zip(reversed(range(len(columns))), columns, strict=True)
    ]
    if any(g is None for row in found for g in row):
        raise LayerError(_unreachable(layer))
    return tuple(torch.stack(by_target, dim=1) for by_target in zip(*found, strict=True))


def backward(
    once: Pass, scores: Scores, at: Watched, *, inputs: bool, create_graph: bool
) -> tuple[Tensor, ...]:
    """Differentiate every target's score of a pass: by the layer's map, and by the inputs if asked.

    Raises:
        LayerError: as for :func:`derivatives`.
    """
    sources = (*once.leaves, once.fed) if inputs else once.leaves
    # a tail may be run again by its own backward pass
    with at.engine.running(), nullcontext() if inputs else at.engine.exact():
        found = derivatives(scores, sources, at.layer, create_graph=create_graph)
    count = len(once.leaves)
    by_layer = found[0] if count == 1 else torch.cat(found[:count])
    return by_layer, *found[count:]


def check_graph(model: nn.Module, inputs: Fed, needs: frozenset[str]) -> None:
    """Refuse to keep a graph that ends nowhere, or that evidence would not be part of.

    Raises:
        SettingError: masked images or changed activations are needed; or neither a weight nor the
            inputs require gradients.
    """
    without = sorted(needs - DIRECT)
    if without:
        raise SettingError(
            f"create_graph=True cannot be had with {', '.join(map(repr, without))}, which is scored"
            f" without a graph; it can with {', '.join(map(repr, sorted(DIRECT)))}"
        )
    if not inputs.requires_grad and not any(p.requires_grad for p in model.parameters()):
        raise SettingError(
            "create_graph=True has nothing to differentiate by: no parameter of the model requires"
            " gradients, and neither do the inputs; let one of them, or leave create_graph out"
        )


def find_joined_head(model: nn.Module, activations: Activations, logits: Logits) -> PooledHead:
    """Find the linear layer behind pooling, its weight and bias with the model's own graph.

    Raises:
        ModelError: there is none; see :func:`find_pooled_head`.
    """
    head = find_pooled_head(model, activations.detach(), logits.detach())
    module = model.get_submodule(head.name)
    weight, bias = getattr(module, "weight"), getattr(module, "bias", None)  # noqa: B009 - no type
    return replace(head, weight=weight.flatten(1), bias=head.bias if bias is None else bias)


def _unreachable(layer: str) -> str:
    return (
        f"the score does not depend on layer {layer!r} in a differentiable way;"
        " choose a layer on the way to the logits, or a differentiable score"
    )
