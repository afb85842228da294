"""DeepLIFT's rescale rule, as a way of running torch functions.

A batch whose first half is the actual thing and whose second half is its reference runs through
the network inside ``with Rescale():``. Every function keeps its values. Elementwise functions and
max pooling get another slope: the difference of their outputs divided by that of their inputs. What
autograd then gives for the first half are DeepLIFT's multipliers. Linear functions need no rule;
for all others (softmax, layer normalisation, products) there is none, and the contributions do not
add up: whoever asks must check that they do.

Nothing of the model is touched: a mode sees the calls of torch functions, hooks see modules only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation
from torch.overrides import TorchFunctionMode

# fmt: off
_NAMES: Final = (
    "abs", "celu", "clamp", "clamp_max", "clamp_min", "elu", "exp", "gelu", "hardshrink",
    "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "log", "log1p", "logsigmoid", "mish",
    "prelu", "relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softshrink", "softsign",
    "sqrt", "square", "tanh", "tanhshrink", "threshold",
)
# fmt: on


def _found(suffix: str) -> frozenset[Callable[..., Any]]:
    homes = (F, torch, torch.Tensor)
    found = (getattr(home, f"{name}{suffix}", None) for home in homes for name in _NAMES)
    return frozenset(function for function in found if function is not None)


ELEMENTWISE: Final = _found("")
IN_PLACE: Final = _found("_")
_MAX_POOLING: Final[dict[Callable[..., Any], Callable[..., Any]]] = {
    F.max_pool2d: F.max_pool2d_with_indices,
    torch.max_pool2d: F.max_pool2d_with_indices,
    F.adaptive_max_pool2d: F.adaptive_max_pool2d_with_indices,
}


class Rescale(TorchFunctionMode):
    """Give elementwise functions and max pooling the slopes of DeepLIFT's rescale rule.

    Reference: Shrikumar et al. 2017, Sec. 3.5.2; max pooling as captum does it: what the maximum
    gained goes to the cell that wins in the half with the larger maximum.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if not args or not _is_pair(args[0]):
            return func(*args, **named)
        source, rest = args[0], args[1:]
        if func in _MAX_POOLING and named.get("return_indices") is not True:
            return _pooled(_MAX_POOLING[func], source, rest, named)
        if any(isinstance(other, Tensor) and other.dim() > 1 for other in rest):
            return func(*args, **named)
        if func in ELEMENTWISE:
            rescaled = _rescaled(lambda x: func(x, *rest, **named), source)
            # torch hands `inplace` on by name, however it was given
            return source.copy_(rescaled) if named.get("inplace") is True else rescaled
        if func in IN_PLACE:
            return source.copy_(_rescaled(lambda x: func(x, *rest, **named), source))
        return func(*args, **named)


def _is_pair(source: Any) -> bool:
    """Say whether this depends on the actual half and on the reference half of a batch."""
    return (
        isinstance(source, Tensor)
        and source.requires_grad
        and source.dim() > 0
        and source.shape[0] % 2 == 0
    )


def _rescaled(function: Callable[[Tensor], Tensor], source: Tensor) -> Tensor:
    """Return function(source) whose slope is (f(x) - f(x')) / (x - x'), and f'(x) for x = x'."""
    actual, reference = source.detach().chunk(2)
    with torch.enable_grad():
        # copies, for functions that work in place
        leaf = actual.clone().requires_grad_()
        values = function(leaf.clone())
        (slope,) = torch.autograd.grad(values.sum(), leaf)
    with torch.no_grad():
        values, others = values.detach(), function(reference.clone())
        rise, run = values - others, actual - reference
        rounding = 4 * torch.finfo(run.dtype).eps * torch.maximum(actual.abs(), reference.abs())
        apart = run.abs() > rounding
        slope = (rise / run.where(apart, 1)).where(apart, slope.nan_to_num(0.0, 0.0, 0.0))
    return _with_slope(values, others, slope, source.chunk(2)[0])


def _pooled(
    pool: Callable[..., Any], source: Tensor, rest: tuple[Any, ...], named: dict[str, Any]
) -> Tensor:
    """Return the maxima; the change of each goes to the cell that wins in the larger half."""
    settings = {key: value for key, value in named.items() if key != "return_indices"}
    with torch.no_grad():
        maxima, places = pool(source.detach(), *rest, **settings)
        values, others = maxima.chunk(2)
        own, other = places.chunk(2)
        winner = own.where(values >= others, other)
        actual, reference = source.detach().flatten(2).chunk(2)
        flat = winner.flatten(2)
        run = (actual.gather(2, flat) - reference.gather(2, flat)).reshape(values.shape)
        slope = ((values - others) / run.where(run != 0, 1)).where(run != 0, 1)
    winning = source.chunk(2)[0].flatten(2).gather(2, flat).reshape(values.shape)
    return _with_slope(values, others, slope, winning)


def _with_slope(values: Tensor, others: Tensor, slope: Tensor, source: Tensor) -> Tensor:
    """Put both halves together again: their values as they are, a slope for the actual half."""
    return torch.cat([values + slope * (source - source.detach()), others])
