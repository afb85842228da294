"""Which layer holds the last spatial evidence of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from regionwise.errors import LayerError, nearest

_TRANSPARENT = ("Pool", "Dropout", "DropPath", "Identity", "Flatten")


@dataclass(frozen=True)
class LayerRecord:
    """What one module gave in a traced forward pass, in the order of finishing.

    Attributes:
        name: dotted path, as ``model.get_submodule`` takes it.
        kind: class name of the module.
        shape: shape of the output; empty when it was no tensor.
        tensor: number of the output tensor; modules that return the same tensor share it.
        calls: how often the module ran.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    tensor: int
    calls: int = 1

    @property
    def spatial(self) -> bool:
        """Whether the output is a map n k i j with more than one cell."""
        return len(self.shape) == 4 and self.shape[2] * self.shape[3] > 1

    @property
    def transparent(self) -> bool:
        """Whether the module only pools or passes on what another layer found."""
        return any(word in self.kind for word in _TRANSPARENT)


def choose_layer(records: Sequence[LayerRecord]) -> str:
    """Return the outermost module that gives the last spatial map before the pooling.

    Pooling, dropout and identity modules are looked through. A network that works on tokens behind
    its last map (a vision transformer behind its patch embedding) is refused: that map says
    nothing about what the tokens became.

    Raises:
        LayerError: there is no such layer; the message lists what could be given instead.
    """
    makers = {r.tensor: r for r in reversed(records)}
    fresh = [
        r
        for r in records
        if r.spatial and r.calls == 1 and not r.transparent and not makers[r.tensor].transparent
    ]
    if not fresh:
        raise LayerError(
            "the model has no layer with a spatial map (n, channels, rows, columns);"
            " its explanations need one"
        )
    tensor = fresh[-1].tensor
    chosen = [r for r in fresh if r.tensor == tensor][-1]
    behind = records[records.index(chosen) + 1 :]
    tokens = next((r for r in behind if len(r.shape) == 3 and r.shape[1] > 1), None)
    if tokens is not None or chosen.kind == "LayerNorm":
        culprit = tokens or chosen
        raise LayerError(
            f"the last spatial map, {chosen.name!r} {chosen.shape[1:]}, is not what the network"
            f" decides on: {culprit.name!r} ({culprit.kind}) works on tokens behind it;"
            f" name a layer yourself, one of {spatial_names(records)}"
        )
    return chosen.name


def spatial_names(records: Sequence[LayerRecord], *, count: int = 8) -> str:
    """Return the last few layers with a spatial map, as a list for messages."""
    names = [f"{r.name!r} {r.shape[1:]}" for r in records if r.spatial and r.name and r.calls == 1]
    return ", ".join(names[-count:]) or "none: no module gives a map (n, channels, rows, columns)"


def find_layer(model: nn.Module, layer: Any) -> tuple[str, nn.Module]:
    """Return the name and the module of a layer given by either.

    Raises:
        LayerError: the model has no such module; near names are offered.
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    if isinstance(layer, nn.Module):
        for name, module in modules.items():
            if module is layer:
                return name, module
        raise LayerError(f"the layer given ({type(layer).__name__}) is not part of the model")
    if not isinstance(layer, str):
        raise LayerError(f"a layer is a name or a module, not {layer!r}")
    if not layer or layer not in modules:
        known = [name for name in modules if name]
        raise LayerError(f"the model has no layer {layer!r}: {nearest(layer, known, count=5)}")
    return layer, modules[layer]
