"""Lending a model to code that is not ours, and taking it back as it was."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def lent(model: nn.Module, *, seed: int = 0) -> Iterator[None]:
    """Lend a model, with gradients on; all generators of random numbers start from ``seed``.

    Its weights and buffers are copies meanwhile, so that a graph through the real ones stays valid.
    Whatever happens inside, every module gets back its attributes: modes, hooks, parts, weights.
    """
    copies: dict[int, Tensor] = {}
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    modules = [_Module(module) for module in model.modules()]
    try:
        for module in modules:
            module.copy(copies)
        with torch.random.fork_rng(devices=devices), _seeded(seed, devices), torch.enable_grad():
            yield
    finally:
        for module in modules:
            module.restore()


@contextmanager
def _seeded(seed: int, devices: list[int]) -> Iterator[None]:
    """Seed all generators; give Python's and numpy's back their states at the end."""
    pythons, numpys = random.getstate(), np.random.get_state()  # noqa: NPY002 - code of others
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.default_generator.manual_seed(seed)
    for device in devices:
        torch.cuda.default_generators[device].manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(pythons)
        np.random.set_state(numpys)  # noqa: NPY002


class _Module:
    """The attributes of a module, and what lies in those that are tables: hooks, parts, weights."""

    def __init__(self, module: nn.Module) -> None:
        self._own: dict[str, Any] = module.__dict__
        self._attributes = dict(self._own)
        self._tables = [(v, dict(v)) for v in self._own.values() if isinstance(v, dict)]

    def copy(self, copies: dict[int, Tensor]) -> None:
        """Put copies in the place of weights and buffers; what is shared stays shared."""
        for table in (self._own["_parameters"], self._own["_buffers"]):
            for name, tensor in table.items():
                if tensor is not None and id(tensor) not in copies:
                    copies[id(tensor)] = _copy(tensor)
                table[name] = copies.get(id(tensor))

    def restore(self) -> None:
        if self._own.keys() != self._attributes.keys():
            self._own.clear()
        self._own.update(self._attributes)
        for table, content in self._tables:
            table.clear()
            table.update(content)


def _copy(tensor: Tensor) -> Tensor:
    copy = tensor.detach().clone()
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(copy, requires_grad=tensor.requires_grad)
    return copy
