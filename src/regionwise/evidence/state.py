"""Borrowing a model and giving it back as it was: modes, random state, one user at a time."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import torch
from torch import nn

from regionwise.errors import ModelError

_LOCKS: Final[weakref.WeakKeyDictionary[nn.Module, threading.RLock]] = weakref.WeakKeyDictionary()
_LOCKS_GUARD: Final = threading.Lock()


@contextmanager
def borrowed(model: nn.Module, *, as_it_is: bool = False) -> Iterator[None]:
    """Hold the model's lock, in eval mode, outside inference mode, with the random state kept.

    ``as_it_is``, for a graph that is kept: modes stay, and the random state moves on as in any pass
    of the user's own. Gradients are on here even under ``no_grad``: leaving inference mode does it.

    Parts that are compiled run as they were written, for compiled code does not run hooks.
    Whatever happens inside, each module gets back its own training flag and its compiled form,
    and the generators of the CPU and of the model's devices their state.

    Raises:
        ModelError: a parameter was made under ``torch.inference_mode`` and cannot enter a graph.
    """
    parameters = [p for m in model.modules() for p in m._parameters.values() if p is not None]  # noqa: SLF001 - a walk without names
    if any(parameter.is_inference() for parameter in parameters):
        _refuse_inference_parameters(model)
    devices = sorted({p.device.index for p in parameters if p.device.type == "cuda"})
    with (
        _lock_of(model),
        torch.inference_mode(mode=False),
        torch.random.fork_rng(devices=devices, enabled=not as_it_is),
        _uncompiled(model),
    ):
        training = [(module, module.training) for module in model.modules()]
        try:
            for module, _ in () if as_it_is else training:
                module.training = False
            yield
        finally:
            for module, mode in training:
                module.training = mode


@contextmanager
def _uncompiled(model: nn.Module) -> Iterator[None]:
    """Run what was compiled by ``module.compile()`` or ``torch.compile(module)`` as written."""
    kept: list[tuple[dict[str, Any], str, Any]] = []
    for module in model.modules():
        own = module.__dict__
        if own.get("_compiled_call_impl") is not None:
            kept.append((own, "_compiled_call_impl", own["_compiled_call_impl"]))
            own["_compiled_call_impl"] = None
        inner = module._modules.get("_orig_mod")  # noqa: SLF001 - torch has no public name for it
        if inner is not None and "forward" in own:
            kept.append((own, "forward", own["forward"]))
            own["forward"] = inner.__call__
    try:
        yield
    finally:
        for own, name, value in kept:
            own[name] = value


def _lock_of(model: nn.Module) -> threading.RLock:
    with _LOCKS_GUARD:
        return _LOCKS.setdefault(model, threading.RLock())


def _refuse_inference_parameters(model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if parameter.is_inference():
            raise ModelError(
                f"parameter {name!r} was made under torch.inference_mode and cannot be"
                " differentiated; build or load the model outside of it"
            )
