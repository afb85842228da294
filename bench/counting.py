"""Passes: images that went through the network's first convolution, and calls of autograd."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

COLOURS = 3


@dataclass
class Passes:
    """What was counted: images through the first convolution, and backward calls."""

    images: int = 0
    backward: int = 0


@contextmanager
def counted() -> Iterator[Passes]:
    """Count while this is open, in copies of a network too; never time at once.

    The first convolution is that which reads three colours. A pass that starts behind it, as that
    of a tail does, is not counted.
    """
    passes = Passes()
    run_backward = torch.autograd._engine_run_backward  # noqa: SLF001 - both entries call it

    def see(module: nn.Module, given: tuple[Any, ...]) -> None:
        reads_colours = isinstance(module, nn.Conv2d) and module.in_channels == COLOURS
        if reads_colours and given and isinstance(given[0], Tensor):
            passes.images += len(given[0])

    def back(*arguments: Any, **named: Any) -> Any:
        passes.backward += 1
        return run_backward(*arguments, **named)

    handle = register_module_forward_pre_hook(see)
    try:
        with mock.patch("torch.autograd._engine_run_backward", back):
            yield passes
    finally:
        handle.remove()
