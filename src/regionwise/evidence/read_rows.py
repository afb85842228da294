"""Computing of a network's tail only those rows that are read.

A transformer reads one token of its last map, the class token. Of all that lies behind the last
attention only that token's row is needed, and of the attention only its query: two thirds of a
block and more are computed for nothing. Inside ``with OnlyRead():`` functions that treat the rows
of an axis one by one are put off. When a few rows are read, they are computed for these alone;
anything else that is asked computes the whole, as if nothing had been put off.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from regionwise.errors import RegionwiseError
from regionwise.evidence.probe import Probe
from regionwise.evidence.row_rules import RULES, in_place
from regionwise.evidence.rows import Rows, TakenBackError, whole_of

# fmt: off
_TOLD: Final = frozenset(
    {getattr(Tensor, name).__get__ for name in (
        "device", "dtype", "is_cpu", "is_cuda", "is_nested", "is_sparse", "layout", "ndim",
        "requires_grad", "shape",
    )}
    | {getattr(Tensor, name) for name in (
        "__len__", "dim", "is_complex", "is_floating_point", "ndimension", "numel", "size",
    )}
)
# fmt: on
"""What a tensor tells without being computed."""


class OnlyRead(TorchFunctionMode):
    """Put off what treats rows one by one, until rows are read."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch, or put it off."""
        named = kwargs or {}
        if func in _TOLD:
            return func(*args, **named)
        found = RULES[func](func, args, named) if func in RULES else NotImplemented
        if found is not NotImplemented:
            return found
        if not any(isinstance(one, Rows) for one in tree_leaves((args, named))):
            return func(*args, **named)
        if in_place(func, named):
            raise TakenBackError("what was put off cannot be changed in place")
        return func(*tree_map(whole_of, args), **tree_map(whole_of, named))


def only_read(probe: Probe) -> Callable[[], AbstractContextManager[Any]]:
    """Return how to run the tail of a probe: without rows that are not read, where that works.

    Maps of tokens alone have such rows. It is tried on the network's own map, and has to give the
    network's own logits.
    """
    if probe.grid.layout != "tokens" or probe.tail.mode != "replay":
        return nullcontext
    twice = probe.activations[:1].expand(2, -1, -1, -1)
    try:
        with torch.no_grad(), OnlyRead():
            found = probe.tail(0, twice)
    except (RegionwiseError, RuntimeError, ValueError, TypeError, LookupError, AttributeError):
        return nullcontext
    own = probe.logits[:1]
    slack = max(64 * torch.finfo(own.dtype).eps, 1e-5) * own.abs().amax().clamp_min(1e-12)
    return OnlyRead if bool((found - own).abs().amax() <= slack) else nullcontext
