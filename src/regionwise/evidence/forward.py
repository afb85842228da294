"""The one forward pass: no graph before the layer, a leaf at it, a graph behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regionwise.errors import LayerError
from regionwise.evidence.checks import as_logits, as_map, ran_message
from regionwise.evidence.needs import GRADIENTS, INPUT_GRADIENTS, TAIL
from regionwise.evidence.replay import Recording
from regionwise.models.grids import Grid, hints_of
from regionwise.shapes import Inputs


@dataclass(frozen=True, eq=False)
class Pass:
    """What one forward pass left behind.

    Attributes:
        fed: the inputs; they require gradients if those were asked for.
        leaf: the layer's map n k i j, what gradients are taken by.
        logits: n y, with the graph of the tail if gradients were asked for.
        grid: how the layer's output is read.
        recording: what lies before the layer; empty unless the tail was asked for.
    """

    fed: Tensor
    leaf: Tensor
    logits: Tensor
    grid: Grid
    recording: Recording


def run_once(
    model: nn.Module, inputs: Inputs, layer: tuple[str, nn.Module], needs: frozenset[str]
) -> Pass:
    """Run the model on the inputs, preparing for the evidence that is needed.

    Raises:
        LayerError: the layer does not run exactly once, or gives no map.
        ModelError: the output is no logits n y.
    """
    joined = INPUT_GRADIENTS in needs
    wants_tail = joined or GRADIENTS in needs
    once = _run(model, inputs, layer, needs, trunk=joined)
    if wants_tail and not once.logits.requires_grad and not joined:
        # a network with a no_grad block of its own ends it by turning gradients off again
        once = _run(model, inputs, layer, needs, trunk=True)
    return once


def _run(
    model: nn.Module,
    inputs: Inputs,
    layer: tuple[str, nn.Module],
    needs: frozenset[str],
    *,
    trunk: bool,
) -> Pass:
    """Run once; again, with copies, if a record of the trunk was changed in place."""
    recording = Recording(layer[0])
    if TAIL not in needs:
        return _watched(model, inputs, layer[1], recording, _Graph(needs, trunk))
    with recording.listening(model):
        once = _watched(model, inputs, layer[1], recording, _Graph(needs, trunk))
    if not recording.spoiled:
        return once
    copies = Recording(layer[0], clone=True)
    with copies.listening(model):
        return _watched(model, inputs, layer[1], copies, _Graph(needs, trunk))


@dataclass(frozen=True)
class _Graph:
    """Where a graph is wanted."""

    needs: frozenset[str]
    trunk: bool

    @property
    def joined(self) -> bool:
        return INPUT_GRADIENTS in self.needs

    @property
    def tail(self) -> bool:
        return self.joined or GRADIENTS in self.needs


def _watched(
    model: nn.Module, inputs: Inputs, module: nn.Module, recording: Recording, graph: _Graph
) -> Pass:
    size, seen = (inputs.shape[2], inputs.shape[3]), list[tuple[Tensor, Grid]]()

    def at_layer(_: nn.Module, __: Any, output: Any) -> Tensor:
        grid = as_map(output, recording.layer, size, hints_of(model))
        recording.finish(output)
        # a fresh node: the layer's own output may also go another way, or be changed in place
        fresh = grid.read(output).clone()
        leaf = fresh if graph.joined else fresh.detach().requires_grad_(graph.tail)
        seen.append((leaf, grid))
        torch.set_grad_enabled(graph.tail)
        return grid.write(leaf, output).clone()

    handle = module.register_forward_hook(at_layer)
    try:
        with torch.set_grad_enabled(graph.trunk):
            fed = inputs.clone().requires_grad_(graph.joined)
            # the model may work in place on what it is fed, but not on a leaf
            logits = as_logits(model(fed.clone()), len(fed))
    finally:
        handle.remove()
    if len(seen) != 1:
        raise LayerError(ran_message(recording.layer, len(seen)))
    return Pass(fed, seen[0][0], logits, seen[0][1], recording)
