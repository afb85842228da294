"""Groups: what runs interleaved, and what is told of it besides times."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from bench.agreement import difference
from bench.limits import IMAGES, Limit, limit_of
from bench.measuring import Contender
from bench.networks import pictures
from bench.settings import Settings
from regionwise.attribution.result import Attribution
from regionwise.errors import SettingError

FULL, HALF = "float32", "bfloat16"


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Case:
    """A group that is built: who runs, and what is looked at once.

    Attributes:
        contenders: who takes turns.
        checks: values by name, JSON can hold them; each is asked for by itself, so that one that
            cannot be had leaves the others.
        facts: what the reader should know: channels, layouts.
        reset: called in front of every turn, not timed.
        pairs: turns, where fewer than the settings' are asked for.
        close: called when all is measured, or failed.
    """

    contenders: Sequence[Contender]
    checks: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    reset: Callable[[], None] = nothing
    pairs: int | None = None
    close: Callable[[], None] = nothing


@dataclass(frozen=True)
class Group:
    """A group that can be built.

    Attributes:
        name: what is compared.
        of: the network, or what else it is about.
        build: loads networks and pictures.
    """

    name: str
    of: str
    build: Callable[[Settings], Case]

    @property
    def id(self) -> str:
        """Name and network, as ``--only`` takes them."""
        return f"{self.name}/{self.of}"


def as_asked(found: Attribution) -> Attribution:
    """Return an attribution that ran as it was asked to.

    Raises:
        SettingError: it notes that it did not: its time would go by the wrong name.
    """
    if found.notes:
        raise SettingError("; ".join(found.notes))
    return found


def forget_gradients(model: nn.Module) -> Callable[[], None]:
    """Return what drops the gradients that a peer left in the weights: they would be memory."""
    return lambda: model.zero_grad(set_to_none=True)


def limit(name: str, dtype: str, settings: Settings, passes: float = 1) -> Contender:
    """Return the best plain forward of 16 images, for explanations of so many passes each."""
    way = _found(name, dtype, settings)
    inputs = pictures(IMAGES, settings.size, settings.device)
    return Contender(f"limit {dtype}", lambda: way(inputs), images=IMAGES / passes)


def limit_facts(name: str, settings: Settings) -> dict[str, str]:
    """Return which layouts the limits have."""
    return {f"limit {dtype}": str(_found(name, dtype, settings)) for dtype in (FULL, HALF)}


def _found(name: str, dtype: str, settings: Settings) -> Limit:
    tries = 1 if settings.quick else 2
    return limit_of(name, dtype, settings.size, settings.device, tries)


def three_ways(plain: Callable[[nn.Module, Tensor], Any], model: nn.Module, inputs: Tensor) -> Any:
    """Return a plain formulation as it is, in float64, and in the other layout."""
    last = torch.channels_last
    turned = copy.deepcopy(model).to(memory_format=last)
    return (
        plain(model, inputs),
        plain(copy.deepcopy(model).double(), inputs.double()),
        plain(turned, inputs.contiguous(memory_format=last)),
    )


def rounding(plain: Tensor, double: Tensor, turned: Tensor) -> float:
    """Return how far a plain formulation is from itself in float64, or in the other layout.

    What float32 leaves open: a ReLU whose input is zero but for rounding opens in one and not in
    the other.
    """
    return max(difference(plain, double), difference(plain, turned))


def live_channels(activations: Tensor) -> int:
    """Return how many channels of one image are not constant: those whose score is unknown."""
    flat = activations[0].flatten(1)
    return int((flat.amax(dim=1) != flat.amin(dim=1)).sum())


def activations_of(model: nn.Module, inputs: Tensor, layer: str) -> Tensor:
    """Return what a layer gives."""
    kept: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *seen: kept.append(seen[2]))
    try:
        with torch.no_grad():
            model(inputs)
    finally:
        handle.remove()
    return kept[0]
