"""A backbone: a network that was cut behind its map, read as inputs -> n k i j."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from regionwise.errors import LayerError, ModelError
from regionwise.models.grids import Grid, Hints, grid_of, hints_of
from regionwise.models.preprocessing import Preprocessing
from regionwise.models.sources import first_line
from regionwise.models.surgery import Surgery, gap_convolutions, larger_map
from regionwise.shapes import Activations, Inputs

_INCEPTION_LAYER: Final = "Mixed_6e"


@dataclass(frozen=True)
class Cut:
    """Where a network is cut, and how its end is changed; see ``BackboneSpec``."""

    layer: str | None = None
    larger: int = 0
    surgery: Surgery = "none"


class Backbone(nn.Module):
    """A network whose output is read as a map n k i j.

    Args:
        network: what gives the map, in its own form.
        grid: how that is read, at the size that it was built for.
        channels: K of the map.
        added: what follows the network, n k i j to n k i j.
        whole: the network's ``forward_features`` is run, and not its ``forward``.

    Attributes:
        preprocessing: of the network it comes from; ``None`` if unknown.
    """

    def __init__(
        self, network: nn.Module, grid: Grid, channels: int, added: nn.Module, *, whole: bool
    ) -> None:
        super().__init__()
        self.network, self.added = network, added
        self.grid, self.channels, self.whole = grid, channels, whole
        self.preprocessing: Preprocessing | None = None

    def forward(self, inputs: Inputs) -> Activations:
        """Return the map, n k i j.

        Raises:
            ModelError: tokens that do not fill a grid, because the inputs have another shape.
        """
        raw = self.network.forward_features(inputs) if self.whole else self.network(inputs)  # type: ignore[operator]
        grid = self.grid
        if grid.layout == "tokens":  # their number alone does not tell rows from columns
            size = (inputs.shape[2], inputs.shape[3])
            found = grid_of(raw.shape, size, Hints(prefix=grid.prefix))
            if found is None:
                raise ModelError(f"{raw.shape[1]} tokens fill no grid of an image of {size}")
            grid = found
        activations: Tensor = self.added(grid.read(raw))
        return activations


def cut_backbone(module: nn.Module, cut: Cut, sample: Inputs) -> Backbone:
    """Cut a network behind its map, and change its end.

    Raises:
        LayerError: it has no spatial map for such inputs, or not the layer.
        ModelError: it does not run on them, or cannot be traced or changed like that.
    """
    whole = _serves_features(module) and cut.layer is None and cut.surgery == "none"
    network = _Features(module) if whole else _trunk(module, cut, sample)
    raw, grid = _probe(network, sample)
    if cut.larger:
        network = larger_map(network, cut.larger, sample)
        raw, grid = _probe(network, sample)
    channels = grid.read(raw).shape[1]
    added = gap_convolutions(cut.surgery, channels)
    widths = [layer.out_channels for layer in added.modules() if isinstance(layer, nn.Conv2d)]
    inner = network.network if isinstance(network, _Features) else network
    return Backbone(inner, grid, [channels, *widths][-1], added, whole=whole)


class _Features(nn.Module):
    """A network of which only ``forward_features`` runs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, inputs: Tensor) -> Any:
        return self.network.forward_features(inputs)  # type: ignore[operator]


def _serves_features(module: nn.Module) -> bool:
    return callable(getattr(module, "forward_features", None))


def _trunk(module: nn.Module, cut: Cut, sample: Inputs) -> nn.Module:
    from regionwise.models.graphs import last_map, steps_of, trunk_of  # noqa: PLC0415 - torchvision

    name = cut.layer or _layer_for(cut.surgery, module)
    if name is not None:
        return trunk_of(module, name)
    _run(module, sample)
    steps = steps_of(module, sample)
    last = last_map(steps, _size(sample), hints_of(module))
    trunk = trunk_of(module, last.name)
    with torch.no_grad():
        again = trunk(sample)
        if not again.isfinite().all():
            raise ModelError("the network's map is not finite: there is NaN in its weights")
        if not torch.equal(again, last.value):
            raise ModelError(
                f"cut behind {last.name!r} the network gives another map than before: something in"
                " it works in place; give it a method forward_features(inputs)"
            )
    return trunk


def _layer_for(surgery: Surgery, module: nn.Module) -> str | None:
    """Return where a surgery cuts; ``None``: behind the last map.

    Raises:
        ModelError: it is meant for another network.
    """
    if surgery == "inception-gap":
        if not any(name == _INCEPTION_LAYER for name, _ in module.named_children()):
            raise ModelError(
                f"inception-gap cuts at {_INCEPTION_LAYER!r}, which {type(module).__name__} has"
                " not; it is for inception_v3"
            )
        return _INCEPTION_LAYER
    if surgery == "vgg-gap" and "vgg" not in type(module).__name__.lower():
        raise ModelError(f"vgg-gap is for VGG networks, not for {type(module).__name__}")
    return None


def _probe(network: nn.Module, sample: Inputs) -> tuple[Tensor, Grid]:
    """Run a network and find how its output is read as a map."""
    rows, columns = size = _size(sample)
    raw = _run(network, sample)
    grid = grid_of(raw.shape, size, hints_of(network)) if isinstance(raw, Tensor) else None
    if grid is None:
        form = tuple(raw.shape) if isinstance(raw, Tensor) else type(raw).__name__
        raise LayerError(
            f"at {rows} x {columns} the network gives {form}, no map of several cells: a backbone"
            " needs one (n, channels, rows, columns, or tokens on a grid); try larger images, or"
            " another network"
        )
    return raw, grid


def _run(network: nn.Module, sample: Inputs) -> Any:
    try:
        with torch.no_grad():
            return network(sample)
    except Exception as error:
        rows, columns = _size(sample)
        raise ModelError(
            f"the network does not run on inputs of {rows} x {columns}"
            f" ({type(error).__name__}: {first_line(error)}); give the size it was made for, or"
            " options that fit it to this one"
        ) from error


def _size(sample: Inputs) -> tuple[int, int]:
    return sample.shape[2], sample.shape[3]
