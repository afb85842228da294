"""Copies of a network with weights drawn anew, layer by layer; the network itself stays.

Reference: Adebayo, Gilmer, Muelly, Goodfellow, Hardt and Kim 2018, Sanity checks for saliency maps,
section 3.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from regionwise.errors import ModelError, SettingError

Order: TypeAlias = Literal["cascading", "independent"]
How: TypeAlias = Literal["reset", "permute"]


def layers_of(model: nn.Module) -> list[str]:
    """Return the names of the modules that own parameters, from the output to the input.

    The order is the reverse of that in which the network names its parts.
    """
    own = [name for name, m in model.named_modules() if [*m.parameters(recurse=False)]]
    return own[::-1]


def randomise(module: nn.Module, *, how: How = "reset", seed: int = 0) -> None:
    """Give a module's own parameters other values, in place.

    ``reset`` calls its ``reset_parameters``, which also forgets the running statistics of a batch
    normalisation; where there is none, and with ``permute``, the values of each parameter change
    places, which keeps their distribution.
    """
    reset = getattr(module, "reset_parameters", None)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(seed)
        if how == "reset" and callable(reset):
            reset()
            return
        for parameter in module.parameters(recurse=False):
            flat = parameter.flatten()
            parameter.copy_(flat[torch.randperm(len(flat)).to(flat.device)].view_as(parameter))


def randomised(
    model: nn.Module,
    *,
    order: Order = "cascading",
    how: How = "reset",
    stages: int | None = None,
    seed: int = 0,
) -> Iterator[tuple[str, float, nn.Module]]:
    """Yield copies: the name of the last layer drawn anew, the share of layers, and the network.

    ``cascading`` draws all layers from the output down to the named one; ``independent`` that one
    alone. ``stages`` takes so many of the layers, evenly, the last one always. A copy is valid
    until the next one is asked for.

    Raises:
        ModelError: the network has no parameters.
        SettingError: ``stages`` is below 1.
    """
    names = layers_of(model)
    if not names:
        raise ModelError("the network has no parameters, so none can be drawn anew")
    if stages is not None and stages < 1:
        raise SettingError(f"stages is {stages}; at least 1 layer must be drawn anew")
    count = len(names) if stages is None else min(stages, len(names))
    stops = {round((k + 1) * len(names) / count) - 1 for k in range(count)}
    changed = copy.deepcopy(model)
    for index, name in enumerate(names):
        if order == "independent":
            if index not in stops:
                continue
            changed = copy.deepcopy(model)
        randomise(changed.get_submodule(name), how=how, seed=seed + index)
        if index in stops:
            share = (index + 1) / len(names) if order == "cascading" else 1 / len(names)
            yield name, share, changed


def same_weights(model: nn.Module, before: dict[str, Tensor]) -> bool:
    """Say whether a network still has the parameters and buffers of a state that was cloned."""
    now = model.state_dict()
    return now.keys() == before.keys() and all(torch.equal(now[k], before[k]) for k in before)
