"""Which layer holds the last spatial evidence of a network."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import nn

from regionwise.errors import LayerError, nearest
from regionwise.models.adapters import Adapted
from regionwise.models.grids import Grid

_PASSING_ON: Final = ("Pool", "Dropout", "DropPath", "Identity", "Flatten", "Permute")
_REACHED: Final = 1e-3
"""Least share of the gradient that must arrive at the cells rather than at leading tokens."""


@dataclass(frozen=True)
class LayerRecord:
    """What one module gave in a traced forward pass, in the order of finishing.

    Attributes:
        name: dotted path, as ``model.get_submodule`` takes it.
        kind: class name of the module.
        shape: shape of the output; empty when it was no tensor.
        tensor: number of the output tensor; modules that return the same tensor share it.
        calls: how often the module ran.
        grid: how the output is read as a map; ``None`` if it is none.
        reach: share of the gradient of the top logit that arrives at the cells, 0 to 1; ``None``
            if it could not be measured.
        in_attention: the module is part of an attention block.
        weightless: the module has no parameters.
        class_map: each channel serves one class alone; a verdict on the evidence, not evidence.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    tensor: int
    calls: int = 1
    grid: Grid | None = None
    reach: float | None = None
    in_attention: bool = False
    weightless: bool = False
    class_map: bool = False

    @property
    def transparent(self) -> bool:
        """Whether the module only pools or passes on what another layer found."""
        return self.weightless and any(word in self.kind for word in _PASSING_ON)

    @property
    def pools(self) -> bool:
        """Whether the module only summarises cells, as average and maximum pooling do."""
        return self.weightless and "Pool" in self.kind

    @property
    def explainable(self) -> bool:
        """Whether the layer gives one map, and the score depends on its cells."""
        reached = self.reach is None or self.reach >= _REACHED
        return self.grid is not None and self.calls == 1 and reached and bool(self.name)


def choose_layer(records: Sequence[LayerRecord]) -> str:
    """Return the outermost module that gives the last map which the score depends on.

    Looked through are pooling, dropout and identity modules, and the parts of attention blocks.
    Behind the last block of a vision transformer only the class token is read: no gradient
    reaches the cells there, so the last layer is the normalisation in front of its attention.

    Choice: where a network classifies every cell and then pools (SqueezeNet), the features in
    front of that classifier are taken, as the last convolutional features of any other network;
    the class maps are taken only where nothing else is left.

    Raises:
        LayerError: there is no such layer.
    """
    pooled = {r.tensor for r in _first_givers(records) if r.pools}
    fresh = [r for r in records if r.explainable and not r.transparent and r.tensor not in pooled]
    evidence = [r for r in fresh if not r.class_map]
    outside = [r for r in evidence if not r.in_attention]
    if not fresh:
        raise LayerError(
            "the model has no layer with a spatial map that its scores depend on"
            " (n, channels, rows, columns, or tokens on a grid); its explanations need one"
        )
    return (outside or evidence or fresh)[-1].name


def _first_givers(records: Sequence[LayerRecord]) -> Iterable[LayerRecord]:
    """Return the module that was the first to give each tensor."""
    return {r.tensor: r for r in reversed(records)}.values()


def find_layer(model: nn.Module, layer: Any) -> tuple[str, nn.Module]:
    """Return the name and the module of a layer given by either.

    Raises:
        LayerError: the model has no such module; near names are offered.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    if isinstance(model, Adapted) and isinstance(layer, str) and layer not in modules:
        layer = f"network.{layer}"
    if isinstance(layer, nn.Module):
        for name, module in modules.items():
            if module is layer:
                return name, module
        raise LayerError(f"the layer given ({type(layer).__name__}) is not part of the model")
    if not isinstance(layer, str):
        raise LayerError(f"a layer is a name or a module, not {layer!r}")
    if not layer or layer not in modules:
        known = [name for name in modules if name]
        raise LayerError(
            f"the model has no layer {layer!r}: {nearest(layer, known, count=5)}"
            " (`regionwise layers MODEL` lists those with a map)"
        )
    return layer, modules[layer]
