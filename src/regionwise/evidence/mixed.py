"""Single precision for everything that is computed while it is switched on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

_COARSE = frozenset({torch.bfloat16, torch.float16})


class InSingle(TorchFunctionMode):
    """Turns half-precision tensors into single precision wherever they enter a function.

    What passes by a layer (a skip connection, say) in half precision so does not meet weights in
    another dtype behind it. What is written in place keeps its dtype.
    """

    def __init__(self, *, active: bool = False) -> None:
        super().__init__()
        self.active = active

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch, its arguments in single precision."""
        given = kwargs or {}
        if not self.active or _in_place(func):
            return func(*args, **given)
        return func(*tree_map(_single, tuple(args)), **tree_map(_single, given))


def _single(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype in _COARSE else value


def _in_place(func: Callable[..., Any]) -> bool:
    name = getattr(func, "__name__", "")
    if name.startswith("__"):
        return name.startswith("__i") or name in {"__get__", "__set__", "__setitem__"}
    return name.endswith("_")
