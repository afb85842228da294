"""Watching one forward pass of one image to see which module gives which map."""

from __future__ import annotations

import weakref
from collections import Counter
from dataclasses import replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from regionwise.evidence.state import borrowed
from regionwise.models.layers import LayerRecord, choose_layer, find_layer
from regionwise.shapes import Inputs

_CHOSEN: Final[weakref.WeakKeyDictionary[nn.Module, dict[tuple[int, ...], str]]] = (
    weakref.WeakKeyDictionary()
)


def trace_layers(model: nn.Module, inputs: Inputs) -> tuple[LayerRecord, ...]:
    """Run the first image through the model and record each module's output, in finishing order."""
    outputs: list[tuple[str, nn.Module, Any]] = []
    names = {module: name for name, module in model.named_modules()}

    def record(module: nn.Module, _: Any, output: Any) -> None:
        outputs.append((names[module], module, output))

    handles = [module.register_forward_hook(record) for module in names]
    try:
        with borrowed(model), torch.no_grad():
            model(inputs[:1].clone())
    finally:
        for handle in handles:
            handle.remove()
    return _records(outputs)


def _records(outputs: list[tuple[str, nn.Module, Any]]) -> tuple[LayerRecord, ...]:
    calls = Counter(name for name, _, _ in outputs)
    numbers: dict[int, int] = {}
    records = []
    for name, module, output in outputs:
        shape = tuple(output.shape) if isinstance(output, Tensor) else ()
        number = numbers.setdefault(_identity(output), len(numbers))
        records.append(LayerRecord(name, type(module).__name__, shape, number))
    return tuple(replace(r, calls=calls[r.name]) for r in records)


def _identity(output: Any) -> int:
    # views of one tensor count as that tensor; all outputs are still alive here, so no reuse
    return output.data_ptr() if isinstance(output, Tensor) else id(output)


def resolve_layer(
    model: nn.Module, layer: str | nn.Module | None, inputs: Inputs
) -> tuple[str, nn.Module]:
    """Return the name and module of the layer to explain.

    Without ``layer`` the last spatial map is found by tracing one image, once per model and input
    size.

    Raises:
        LayerError: no such layer, or the network has no spatial map.
    """
    if layer is not None:
        return find_layer(model, layer)
    known = _CHOSEN.setdefault(model, {})
    key = tuple(inputs.shape[1:])
    if key not in known or known[key] not in dict(model.named_modules()):
        known[key] = choose_layer(trace_layers(model, inputs))
    return find_layer(model, known[key])
