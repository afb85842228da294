"""Telling whether a network's weights changed, without reading them."""

from __future__ import annotations

from collections.abc import Hashable

from torch import nn


def weights_state(model: nn.Module) -> Hashable:
    """Return what changes whenever a weight or buffer is replaced or written in place."""
    found = []
    for module in model.modules():
        for table in (module._parameters, module._buffers):  # noqa: SLF001 - a walk without names
            for tensor in table.values():
                if tensor is not None:
                    version = 0 if tensor.is_inference() else tensor._version  # noqa: SLF001
                    found.append((id(tensor), tensor.data_ptr(), tensor.stride(), version))
    return tuple(found)
