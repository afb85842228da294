"""The one forward pass: no graph before the layer, a leaf at it, a graph behind it.

Where maps are to stay differentiable there is one graph, from the inputs and weights to the logits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from regionwise.errors import LayerError
from regionwise.evidence.checks import as_logits, as_map, ran_message
from regionwise.evidence.needs import GRADIENTS, INPUT_GRADIENTS, TAIL
from regionwise.evidence.replay import Recording
from regionwise.models.grids import Grid, hints_of
from regionwise.shapes import Fed


@dataclass(frozen=True, eq=False)
class Pass:
    """What one forward pass left behind.

    Attributes:
        fed: the inputs; they require gradients if those were asked for.
        leaf: the layer's map n k i j, what gradients are taken by; no leaf of a whole graph.
        logits: n y, with the graph of the tail if gradients were asked for.
        grid: how the layer's output is read.
        recording: what lies before the layer; empty unless the tail was asked for.
    """

    fed: Tensor
    leaf: Tensor
    logits: Tensor
    grid: Grid
    recording: Recording


@dataclass(frozen=True)
class Graph:
    """Where a graph is wanted.

    Attributes:
        inputs: derivatives by the inputs will be asked for.
        trunk: before the layer.
        joined: the layer's map stays joined to what lies before it.
        tail: behind the layer.
    """

    inputs: bool
    trunk: bool
    joined: bool
    tail: bool


def graph_for(needs: frozenset[str], *, create: bool) -> Graph:
    """Return where evidence needs a graph; everywhere if its own graph is to be created."""
    joined = INPUT_GRADIENTS in needs
    return Graph(joined, joined or create, joined or create, joined or create or GRADIENTS in needs)


def run_once(
    model: nn.Module,
    inputs: Fed,
    layer: tuple[str, nn.Module],
    needs: frozenset[str],
    *,
    create_graph: bool = False,
) -> Pass:
    """Run the model on the inputs, preparing for the evidence that is needed.

    ``create_graph``: weights and inputs, if these require gradients, stay in the graph of all.

    Raises:
        LayerError: the layer does not run exactly once, or gives no map.
        ModelError: the output is no logits n y.
    """
    graph = graph_for(needs, create=create_graph)
    if create_graph:
        # of attention, only this form can be differentiated twice
        with sdpa_kernel(SDPBackend.MATH):
            return _run(model, inputs, layer, needs, graph)
    once = _run(model, inputs, layer, needs, graph)
    if graph.tail and not once.logits.requires_grad and not graph.trunk:
        # a network with a no_grad block of its own ends it by turning gradients off again
        once = _run(model, inputs, layer, needs, replace(graph, trunk=True))
    return once


def _run(
    model: nn.Module,
    inputs: Fed,
    layer: tuple[str, nn.Module],
    needs: frozenset[str],
    graph: Graph,
) -> Pass:
    """Run once; again, with copies, if a record of the trunk was changed in place."""
    recording = Recording(layer[0])
    if TAIL not in needs:
        return _watched(model, inputs, layer[1], recording, graph)
    with recording.listening(model):
        once = _watched(model, inputs, layer[1], recording, graph)
    if not recording.spoiled:
        return once
    copies = Recording(layer[0], clone=True)
    with copies.listening(model):
        return _watched(model, inputs, layer[1], copies, graph)


def _watched(
    model: nn.Module, inputs: Fed, module: nn.Module, recording: Recording, graph: Graph
) -> Pass:
    size, seen = tuple(inputs.shape[2:]), list[tuple[Tensor, Grid]]()

    def at_layer(_: nn.Module, __: Any, output: Any) -> Tensor:
        grid = as_map(output, recording.layer, size, hints_of(model))
        recording.finish(output)
        # a fresh node: the layer's own output may also go another way, or be changed in place
        fresh = grid.read(output).clone()
        leaf = fresh if graph.joined else fresh.detach()
        if graph.tail and not leaf.requires_grad:
            leaf.requires_grad_()
        seen.append((leaf, grid))
        torch.set_grad_enabled(graph.tail)
        return grid.write(leaf, output).clone()

    handle = module.register_forward_hook(at_layer)
    try:
        with torch.set_grad_enabled(graph.trunk):
            fed = inputs.clone()
            if graph.inputs and not fed.requires_grad:
                fed.requires_grad_()
            # the model may work in place on what it is fed, but not on a leaf
            logits = as_logits(model(fed.clone()), len(fed))
    finally:
        handle.remove()
    if len(seen) != 1:
        raise LayerError(ran_message(recording.layer, len(seen)))
    return Pass(fed, seen[0][0], logits, seen[0][1], recording)
