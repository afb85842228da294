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
from regionwise.evidence.engine import Engine
from regionwise.evidence.needs import GRADIENTS, INPUT_GRADIENTS, TAIL
from regionwise.evidence.replay import Recording
from regionwise.models.grids import Grid, hints_of
from regionwise.shapes import Fed


@dataclass(frozen=True, eq=False)
class Pass:
    """What one forward pass left behind.

    Attributes:
        fed: the inputs; they require gradients if those were asked for.
        leaves: the layer's map in parts of the batch, each n k i j: what gradients are taken by;
            no leaf of a whole graph.
        logits: n y, with the graph of the tail if gradients were asked for.
        grid: how the layer's output is read.
        recording: what lies before the layer; empty unless the tail was asked for.
    """

    fed: Tensor
    leaves: tuple[Tensor, ...]
    logits: Tensor
    grid: Grid
    recording: Recording

    @property
    def activations(self) -> Tensor:
        """The layer's map of the whole batch, n k i j."""
        return self.leaves[0] if len(self.leaves) == 1 else torch.cat(self.leaves)


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


@dataclass(frozen=True, eq=False)
class Watched:
    """Where to look: at one layer of a network, and how this is run."""

    engine: Engine
    layer: str
    module: nn.Module


def run_once(
    at: Watched, inputs: Fed, needs: frozenset[str], *, create_graph: bool = False
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
            return _recorded(at, inputs, needs, graph)
    kind = (at.layer, *inputs.shape[1:])
    return at.engine.settle(lambda: _finite(_in_parts(at, inputs, needs, graph), at.engine), kind)


def _in_parts(at: Watched, inputs: Fed, needs: frozenset[str], graph: Graph) -> Pass:
    """Run a few images at a time, where nothing keeps the graph or the records of the batch."""
    if graph.trunk or TAIL in needs or at.engine.couples:
        return _run(at, inputs, needs, graph)
    found = at.engine.pace.over(
        len(inputs), inputs, lambda part: _run(at, inputs[part], needs, graph)
    )
    if len(found) == 1:
        return found[0]
    with torch.set_grad_enabled(graph.tail):
        logits = torch.cat([one.logits for one in found])
    leaves = tuple(one.leaves[0] for one in found)
    return replace(found[0], fed=inputs, leaves=leaves, logits=logits)


def _run(at: Watched, inputs: Fed, needs: frozenset[str], graph: Graph) -> Pass:
    once = _recorded(at, inputs, needs, graph)
    if graph.tail and not once.logits.requires_grad and not graph.trunk:
        # a network with a no_grad block of its own ends it by turning gradients off again
        once = _recorded(at, inputs, needs, replace(graph, trunk=True))
    return once


def _finite(once: Pass, engine: Engine) -> Pass:
    """Refuse what overflowed in coarse numbers; the next way of running it is then tried."""
    if engine.way.coarse is None:
        return once
    if not all(bool(torch.isfinite(found).all()) for found in (once.logits, *once.leaves)):
        raise FloatingPointError("its answer is not finite")
    return once


def _recorded(at: Watched, inputs: Fed, needs: frozenset[str], graph: Graph) -> Pass:
    """Run once, and record what lies in front of the layer if its tail will be asked for."""
    recording = Recording(at.layer)
    if TAIL not in needs:
        return _watched(at, inputs, recording, graph)
    with recording.listening(at.engine.model):
        return _watched(at, inputs, recording, graph)


def record_copies(at: Watched, inputs: Fed) -> Recording:
    """Run once more to record copies, for networks that change in place what was recorded."""
    copies = Recording(at.layer, clone=True)
    nothing = Graph(inputs=False, trunk=False, joined=False, tail=False)
    with copies.listening(at.engine.model):
        _watched(at, inputs, copies, nothing)
    return copies


def _watched(at: Watched, inputs: Fed, recording: Recording, graph: Graph) -> Pass:
    engine = at.engine
    size, seen = tuple(inputs.shape[2:]), list[tuple[Tensor, Grid]]()

    def at_layer(_: nn.Module, __: Any, output: Any) -> Tensor:
        output = change(output)
        grid = as_map(output, recording.layer, size, hints_of(engine.model))
        recording.finish(output)
        # a fresh node: the layer's own output may also go another way, or be changed in place
        fresh = grid.read(output).clone()
        leaf = fresh if graph.joined else fresh.detach()
        if graph.tail and not leaf.requires_grad:
            leaf.requires_grad_()
        seen.append((leaf, grid))
        torch.set_grad_enabled(graph.tail)
        return grid.write(leaf, output).clone()

    handle = at.module.register_forward_hook(at_layer)
    try:
        with (
            torch.set_grad_enabled(graph.trunk),
            engine.running(),
            engine.passing(at.module) as change,
        ):
            fed = inputs
            if graph.inputs:
                fed = inputs.clone()
                fed = fed if fed.requires_grad else fed.requires_grad_()
            # the model may work in place on what it is fed, but not on a leaf
            logits = as_logits(engine.model(engine.feed(fed)), len(fed))
    finally:
        handle.remove()
    if len(seen) != 1:
        raise LayerError(ran_message(recording.layer, len(seen)))
    return Pass(fed, (seen[0][0],), logits, seen[0][1], recording)
