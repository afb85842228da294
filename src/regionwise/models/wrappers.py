"""Seeing through what wraps a network without changing what it computes."""

from __future__ import annotations

import torch
from torch import nn

from regionwise.errors import ModelError


def unwrap(model: nn.Module) -> nn.Module:
    """Return the network inside ``torch.compile``, ``DataParallel`` or its distributed form.

    A compiled network would not run hooks; the original module shares its weights.

    Raises:
        ModelError: a scripted or traced network, whose layers cannot be watched.
    """
    while True:
        if isinstance(model, torch.jit.ScriptModule):
            raise ModelError(
                "a scripted or traced network cannot be watched layer by layer;"
                " explain the torch.nn.Module that it was made from"
            )
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
            continue
        inner = getattr(model, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner
