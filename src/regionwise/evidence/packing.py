"""Convolutions whose weights were brought into the order that the processor's library computes in.

On CPUs oneDNN brings the weights of a convolution into an order of its own before every pass; for a
batch of a few images that is a noticeable part of the time. It can be done once. Numbers are the
same to the last bit.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

_KINDS: Final = {torch.float32, torch.bfloat16, torch.float16}


def can_be_packed(module: nn.Module, tensors: Mapping[str, Tensor]) -> bool:
    """Whether a module is a convolution that the library takes as it is, with these weights."""
    return (
        type(module) is nn.Conv2d
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and "weight" in tensors
        and ("bias" in tensors or module.bias is None)
        and all(t.device.type == "cpu" and t.dtype in _KINDS for t in tensors.values())
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


class Packed:
    """A convolution's forward with its weights in the library's order, made at the first call.

    Where a graph is wanted, or the numbers are of another kind, the module's own forward runs.

    Attributes:
        idle: the module's own forward runs.
    """

    def __init__(self, module: nn.Module, weight: Tensor, bias: Tensor | None) -> None:
        self._module = weakref.ref(module)
        self._weight = weight
        self._bias = bias
        self._packed: Any = None
        self._refused = False
        self.idle = False

    def __call__(self, x: Tensor) -> Tensor:
        """Return the convolution of ``x``."""
        # the module that calls is there
        module = cast("nn.Conv2d", self._module())
        if not self._takes(x):
            return nn.Conv2d.forward(module, x)
        how = (module.padding, module.stride, module.dilation, module.groups)
        fed, library = x.to(self._weight.dtype), torch.ops.mkldnn
        try:
            if self._packed is None:
                pack = library._reorder_convolution_weight  # noqa: SLF001 - as torch.compile does
                self._packed = pack(self._weight, *how, list(x.shape))
            run = library._convolution_pointwise  # noqa: SLF001 - as torch.compile does
            answer: Tensor = run(fed, self._packed, self._bias, *how, "none", [], "")
        except (RuntimeError, NotImplementedError, AttributeError) as error:
            if "memory" in str(error):
                raise
            self._refused = True
            return nn.Conv2d.forward(module, x)
        return answer

    def _takes(self, x: Tensor) -> bool:
        graph = torch.is_grad_enabled() and x.requires_grad
        kinds = {torch.float32, self._weight.dtype}
        fits = x.dim() == 4 and x.dtype in kinds and x.device.type == "cpu"
        return fits and not (graph or self.idle or self._refused)
