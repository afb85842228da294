"""Telling whether a network is built as it was: its modules, their settings, who looks at them."""

from __future__ import annotations

import weakref
from collections.abc import Hashable
from typing import Any, Final

from torch import nn
from torch.nn.modules import module as torch_module

_TABLES: Final = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")

_TORCHS: Final = frozenset(vars(nn.Module())) - {"training"}
"""Attributes of every module: its tables of weights, parts and hooks."""


def structure(model: nn.Module) -> Hashable | None:
    """Return what changes when modules, their code, plain attributes or hooks do.

    ``None`` where hooks watch all modules of the process.
    """
    if any(getattr(torch_module, f"_global{table}", None) for table in _TABLES):
        return None
    return tuple(
        (weakref.ref(module), type(module), type(module).forward, has_hooks(module), _plain(module))
        for module in model.modules()
    )


def has_hooks(module: nn.Module) -> bool:
    """Whether somebody looks into a module, or replaced its forward."""
    own = vars(module)
    return any(own[table] for table in _TABLES) or "forward" in own


def _plain(module: nn.Module) -> tuple[tuple[str, Hashable], ...]:
    return tuple((k, _value(v)) for k, v in vars(module).items() if k not in _TORCHS)


def _value(value: Any) -> Hashable:
    """Return a number or name as it is, a collection by its items, all else by identity or kind."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if type(value) in {list, tuple}:
        return tuple(_value(item) for item in value)
    if type(value) in {set, frozenset}:
        return frozenset(_value(item) for item in value)
    if type(value) is dict:
        return tuple((_value(key), _value(item)) for key, item in value.items())
    if callable(value):
        return id(value)
    return str(type(value))
