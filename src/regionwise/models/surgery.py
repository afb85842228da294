"""Changing the end of a backbone as published networks do: larger maps, convolutions in its place.

Reference: Kim, Choe, Akata and Oh 2021 (CALM), Sec. 5; Choe, Oh, Lee, Chun, Akata and Shim 2020,
"Evaluating weakly supervised object localization methods right", and its evaluation code.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from torch import nn

from regionwise.errors import ModelError
from regionwise.models.grids import Grid, grid_of, hints_of
from regionwise.shapes import Inputs

if TYPE_CHECKING:
    from regionwise.models.graphs import Step

Surgery = Literal["none", "vgg-gap", "inception-gap"]
WIDTH: Final = 1024
"""Channels of the convolutions that ``vgg-gap`` and ``inception-gap`` add."""

_FIX: Final = "take larger images, or another network"
_REFUSED: Final = f"no convolution with a stride and no pooling module; {_FIX}"


def larger_map(network: nn.Module, times: int, sample: Inputs) -> nn.Module:
    """Return a copy whose map is as large as it was before its last ``times`` halvings.

    Every convolution and pooling that halves the map to its final size gets stride 1, those of
    skip connections included; a pooling over 2 x 2 cells is left out. The weights stay as they are.
    With ``times=1`` a ResNet's map is 14 x 14 at 224 x 224 (CALM), with 2 it is 28 x 28
    (``large_feature_map`` of the evaluation code).

    Args:
        network: what gives the map; no pooling to one cell may follow.
        times: how many halvings to undo, from the last.
        sample: inputs that fit the network.

    Raises:
        ModelError: a halving is none of these: patches that are merged, a function without a
            module, or none at all.
    """
    enlarged = copy.deepcopy(network)
    for _ in range(times):
        _undo_last(enlarged, sample)
    return enlarged


def gap_convolutions(surgery: Surgery, channels: int) -> nn.Module:
    """Return the convolutions that follow the features: nothing, VGG's one, or Inception's two.

    ``vgg-gap``: 3 x 3 to 1024 channels and ReLU, drawn by He's rule. ``inception-gap``: two of
    these with dropout of one half around them, drawn by Xavier's rule.

    Reference: Choe et al. 2020, evaluation code (VGG conv6; Inception SPG_A3_1b, SPG_A3_2b).
    Choice: the features of Inception are torchvision's up to ``Mixed_6e``, 12 x 12 at 224 x 224;
    the evaluation code pads its stem and has 14 x 14.
    """
    if surgery == "none":
        return nn.Identity()
    first = nn.Conv2d(channels, WIDTH, 3, padding=1)
    layers: list[nn.Module] = [first, nn.ReLU()]
    if surgery == "inception-gap":
        second = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        half = [nn.Dropout(0.5) for _ in range(3)]
        layers = [half[0], first, nn.ReLU(), half[1], second, nn.ReLU(), half[2]]
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            _draw(layer, he=surgery == "vgg-gap")
    return nn.Sequential(*layers)


def _draw(layer: nn.Conv2d, *, he: bool) -> None:
    if he:
        nn.init.kaiming_uniform_(layer.weight, mode="fan_in", nonlinearity="relu")
    else:
        nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # it has one


def _undo_last(network: nn.Module, sample: Inputs) -> None:
    before, steps = _map_and_steps(network, sample)
    halving = [s for s in steps if _halves(s, before, sample, network)]
    if not halving:
        raise ModelError(f"nothing halves the map of {before.rows} x {before.columns}; {_FIX}")
    for step in halving:
        _undo(network, step)
    try:
        after, _ = _map_and_steps(network, sample)
    except (RuntimeError, ModelError) as error:
        raise ModelError(f"the network does not run with a larger map; {_FIX}") from error
    if after.rows * after.columns < 2 * before.rows * before.columns:
        raise ModelError(
            f"the map stays at {after.rows} x {after.columns} though strides were undone; {_FIX}"
        )


def _map_and_steps(network: nn.Module, sample: Inputs) -> tuple[Grid, Sequence[Step]]:
    from regionwise.models.graphs import steps_of  # noqa: PLC0415 - loads torchvision

    steps = steps_of(network, sample)
    grid = steps[-1].grid(_size(sample), hints_of(network))
    if grid is None:
        raise ModelError("the network's output is no map of several cells")
    return grid, steps


def _size(sample: Inputs) -> tuple[int, int]:
    return sample.shape[2], sample.shape[3]


def _halves(step: Step, last: Grid, sample: Inputs, network: nn.Module) -> bool:
    """Whether a step turns a larger map into one of the final size."""
    hints, size = hints_of(network), _size(sample)
    grid = step.grid(size, hints)
    if grid is None or (grid.rows, grid.columns) != (last.rows, last.columns):
        return False
    given = grid_of(step.given, size, hints) if len(step.given) > 2 else None
    return given is not None and given.rows >= 1.5 * grid.rows


def _undo(network: nn.Module, step: Step) -> None:
    module = network.get_submodule(step.module) if step.module is not None else None
    stride = _whole(getattr(module, "stride", None))
    kernel = _whole(getattr(module, "kernel_size", None))
    if module is None or step.module is None or stride is None or kernel is None:
        merging = [n for n, m in network.named_modules() if "Merging" in type(m).__name__]
        found = merging[-1] if merging else step.name
        raise ModelError(f"the map is made smaller by {found!r}: {_REFUSED}")
    pools = not step.weighs
    if kernel <= stride and kernel > 1 and not pools:
        raise ModelError(
            f"the map is made smaller by {step.name!r}, which merges patches of {kernel} x {kernel}"
            f" without overlap; with stride 1 it would see what it never saw; {_FIX}"
        )
    if pools and kernel <= stride:
        network.set_submodule(step.module, nn.Identity())
        return
    one: Any = 1 if isinstance(module.stride, int) else (1, 1)
    module.stride = one


def _whole(value: object) -> int | None:
    """Return the length of a square kernel or stride; ``None`` if it is no such thing."""
    if isinstance(value, int):
        return value
    if isinstance(value, tuple) and value and all(v == value[0] for v in value):
        return int(value[0])
    return None
