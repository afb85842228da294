"""Watching one pass of one image to see which module gives which map, and which maps matter."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from regionwise.evidence.checks import as_logits
from regionwise.evidence.state import borrowed
from regionwise.models.grids import Grid, Hints, grid_of, hints_of
from regionwise.models.layers import LayerRecord, choose_layer, find_layer
from regionwise.shapes import Fed

_CHOSEN: Final[weakref.WeakKeyDictionary[nn.Module, dict[tuple[int, ...], str]]] = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True, eq=False)
class _Sighting:
    """A module that finished, what it gave, and what it was given."""

    name: str
    module: nn.Module
    output: Any
    given: Any


def trace_layers(model: nn.Module, inputs: Fed) -> tuple[LayerRecord, ...]:
    """Run the first image through the model and record each module's output, in finishing order.

    One backward pass tells how much of the top logit's gradient arrives at each map.
    """
    seen: list[_Sighting] = []
    names = {module: name for name, module in model.named_modules()}

    def record(module: nn.Module, given: Any, output: Any) -> None:
        seen.append(_Sighting(names[module], module, output, given[0] if given else None))

    handles = [module.register_forward_hook(record) for module in names]
    try:
        with borrowed(model), torch.enable_grad():
            fed = inputs[:1].detach().clone().requires_grad_()
            logits = as_logits(model(fed.clone()), 1)
            return _records(model, seen, logits, tuple(inputs.shape[2:]))
    finally:
        for handle in handles:
            handle.remove()


def _records(
    model: nn.Module, seen: Sequence[_Sighting], logits: Tensor, image: tuple[int, ...]
) -> tuple[LayerRecord, ...]:
    calls = Counter(s.name for s in seen)
    numbers: dict[int, int] = {}
    attention, hints = _attention_names(model), hints_of(model)
    records = [
        LayerRecord(
            name=s.name,
            kind=type(s.module).__name__,
            shape=tuple(s.output.shape) if isinstance(s.output, Tensor) else (),
            tensor=numbers.setdefault(_identity(s.output), len(numbers)),
            calls=calls[s.name],
            grid=_grid(hints, s.output, image),
            in_attention=s.name.startswith(attention),
            weightless=next(s.module.parameters(), None) is None,
        )
        for s in seen
    ]
    return _measured(records, seen, logits)


def _grid(hints: Hints, output: Any, image: tuple[int, ...]) -> Grid | None:
    if not isinstance(output, Tensor) or not output.is_floating_point():
        return None
    return grid_of(output.shape, image, hints)


def _attention_names(model: nn.Module) -> tuple[str, ...]:
    """Return the path prefixes of what lies in an attention block, the block itself included."""
    return tuple(
        name
        for name, module in model.named_modules()
        if name and any(word in type(module).__name__ for word in ("Attention", "Attn"))
    )


def _measured(
    records: Sequence[LayerRecord], seen: Sequence[_Sighting], logits: Tensor
) -> tuple[LayerRecord, ...]:
    """Add to each map how much of the gradient arrives, and whether it is a map of classes."""
    measured = list(records)
    wanted = [
        i for i, r in enumerate(records) if r.grid is not None and seen[i].output.requires_grad
    ]
    top, *others = _scalars(seen, logits)
    for scalar in (top, *others):
        if not scalar.requires_grad or not wanted:
            continue
        found: Sequence[Tensor | None] = torch.autograd.grad(
            scalar, [seen[i].output for i in wanted], retain_graph=True, allow_unused=True
        )
        if any(g is not None and bool(g.any()) for g in found):
            for i, gradient in zip(wanted, found, strict=True):
                measured[i] = replace(
                    records[i],
                    reach=_share(records[i].grid, gradient),
                    class_map=scalar is top and _classifies(records[i].grid, gradient, logits),
                )
            break
    return tuple(measured)


def _classifies(grid: Grid | None, gradient: Tensor | None, logits: Tensor) -> bool:
    """Whether a logit's gradient arrives at one channel alone: its own, of as many as classes."""
    if grid is None or gradient is None:
        return False
    by_channel = grid.read(gradient).abs().amax(dim=(0, 2, 3))
    if len(by_channel) != logits.shape[1] or len(by_channel) < 2:
        return False
    return by_channel.nonzero().flatten().tolist() == [int(logits[0].argmax())]


def _scalars(seen: Sequence[_Sighting], logits: Tensor) -> list[Tensor]:
    """Return what to differentiate: the top logit, then what enters the last linear layer.

    The second is for networks that start with a head of zeros: no gradient passes through it.
    """
    features = [s.given for s in seen if isinstance(s.module, nn.Linear)]
    usable = [f for f in features if isinstance(f, Tensor) and f.requires_grad]
    waves = [torch.cos(torch.arange(f.numel(), device=f.device)).view_as(f) for f in usable[-1:]]
    return [logits.amax(), *((f * w).sum() for f, w in zip(usable[-1:], waves, strict=True))]


def _share(grid: Grid | None, gradient: Tensor | None) -> float:
    """Return how much of a gradient lies on the cells: 1 where all of it does, 0 where none."""
    if gradient is None or grid is None or not bool(gradient.any()):
        return 0.0
    if not grid.prefix:
        return 1.0
    return float(gradient[:, grid.prefix :].norm() / gradient.norm())


def _identity(output: Any) -> int:
    # views of one tensor count as that tensor; all outputs are still alive here, so no reuse
    return output.data_ptr() if isinstance(output, Tensor) else id(output)


def resolve_layer(
    model: nn.Module, layer: str | nn.Module | None, inputs: Fed
) -> tuple[str, nn.Module]:
    """Return the name and module of the layer to explain.

    Without ``layer`` the last map that matters is found by tracing one image, once per model and
    input size.

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
