"""Optimisers and the parameters that learn at another rate."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import torch
from torch import nn

from regionwise.training.schemes import Scheme

_SLOW_WORDS: Final = ("conv1", "layer1", "layer2", "layer3")
_BACKBONE: Final = "backbone."


def learning_names(network: nn.Module, scheme: Scheme) -> list[str]:
    """Return the names of the parameters that are trained, in order."""
    names = [name for name, weight in network.named_parameters() if weight.requires_grad]
    return [name for name in names if name.startswith("head.")] if scheme.frozen else names


def is_slow(name: str, groups: str) -> bool:
    """Return whether a parameter has the learning rate itself, not ``multiplier`` times it.

    Choice: ``substring`` is what CALM's code does: conv1 is found in ``layer4.1.conv1``, too, but
    not in the rest of layer4 nor in the stem's norm.
    """
    if groups == "substring":
        return any(word in name for word in _SLOW_WORDS)
    return groups == "one" or name.startswith(_BACKBONE)


def parameter_groups(network: nn.Module, scheme: Scheme) -> list[dict[str, Any]]:
    """Return the parameters to train in one or two groups, each with its ``multiplier``."""
    found: dict[float, list[nn.Parameter]] = {}
    parameters = dict(network.named_parameters())
    for name in learning_names(network, scheme):
        multiplier = 1.0 if is_slow(name, scheme.groups) else scheme.multiplier
        found.setdefault(multiplier, []).append(parameters[name])
    return [
        {"params": members, "multiplier": multiplier, "lr": scheme.lr * multiplier}
        for multiplier, members in found.items()
    ]


def optimiser_for(network: nn.Module, scheme: Scheme) -> torch.optim.Optimizer:
    """Return the scheme's optimiser over the parameters that it trains."""
    groups = parameter_groups(network, scheme)
    decay = scheme.weight_decay
    if scheme.optimiser == "adam":
        return torch.optim.Adam(groups, lr=scheme.lr, weight_decay=decay)
    if scheme.optimiser == "adamw":
        return torch.optim.AdamW(groups, lr=scheme.lr, weight_decay=decay)
    return torch.optim.SGD(
        groups,
        lr=scheme.lr,
        momentum=scheme.momentum,
        nesterov=scheme.nesterov,
        weight_decay=decay,
    )


def set_rate(optimisers: Iterable[torch.optim.Optimizer], rate: float) -> None:
    """Give every group ``rate`` times its multiplier."""
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["lr"] = rate * group["multiplier"]
