"""Which batch normalisations may be computed by the convolution in front of them.

In evaluation mode a batch normalisation is a factor and a shift of each channel. Where it is the
only reader of what a convolution gives, both can go into the convolution's weights, and a pass over
the whole map is saved. Who reads what is watched, once, on one image.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class Fold:
    """A convolution and the normalisation that is its only reader, by their names.

    Attributes:
        convolution: name of the module.
        normalisation: name of the module.
        shown_by: modules whose output is what the convolution gives, itself included.
    """

    convolution: str
    normalisation: str
    shown_by: frozenset[str]


_FOUND: Final[weakref.WeakKeyDictionary[nn.Module, dict[tuple[int, ...], tuple[Fold, ...]]]] = (
    weakref.WeakKeyDictionary()
)


def folds_of(model: nn.Module, image: Tensor) -> tuple[Fold, ...]:
    """Return what can be folded in a network, which must be in evaluation mode.

    Args:
        model: the network.
        image: one image as it would be fed, 1 c h w; it is run through the network if this has
            batch normalisations and was not watched for this size before.
    """
    if not any(type(module) is nn.BatchNorm2d for module in model.modules()):
        return ()
    known = _FOUND.setdefault(model, {})
    size = tuple(image.shape[1:])
    if size not in known:
        # what is wrong with the network or the image is told by the pass that follows
        with suppress(RuntimeError, TypeError, ValueError, NotImplementedError):
            known[size] = _watched(model, image)
        known.setdefault(size, ())
    return known[size]


def folded(
    convolution: nn.Module, normalisation: nn.Module, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Return the weight and bias of a convolution that normalises as well.

    W' = W s and b' = (b - mean) s + shift with s = scale / sqrt(variance + eps), in double
    precision before they are rounded to ``dtype``.
    """
    own, after = _tensors(convolution), _tensors(normalisation)
    mean, variance = after["running_mean"], after["running_var"]
    scale = (variance + cast("float", normalisation.eps)).rsqrt()
    scale = scale * after["weight"] if "weight" in after else scale
    bias = (own.get("bias", torch.zeros_like(mean)) - mean) * scale + after.get("bias", 0)
    weight = own["weight"] * scale[:, None, None, None]
    return weight.to(dtype), bias.to(dtype)


def _tensors(module: nn.Module) -> dict[str, Tensor]:
    named = (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))
    return {name: t.detach().double() for name, t in named if t.is_floating_point()}


class _Readers(TorchDispatchMode):
    """Counts which operations read the tensors that it is told of."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.readers: dict[int, list[str]] = {}
        self.alive: list[Tensor] = []

    def watch(self, tensor: Tensor) -> None:
        """Count who reads a tensor from now on; it stays alive, so that its id is its own."""
        if id(tensor) not in self.readers:
            self.readers[id(tensor)] = []
            self.alive.append(tensor)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation and note what it reads."""
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, Tensor) and id(value) in self.readers:
                self.readers[id(value)].append(str(func))
        return func(*args, **(kwargs or {}))


class _Sightings:
    """What modules gave and took in one pass."""

    def __init__(self, model: nn.Module) -> None:
        self.names = {module: name for name, module in model.named_modules()}
        self.readers = _Readers()
        self.calls: Counter[nn.Module] = Counter()
        self.given: dict[nn.Module, int] = {}
        self.taken: dict[nn.Module, int] = {}

    def after(self, module: nn.Module, _: Any, output: Any) -> None:
        """Note what a module gave."""
        self.calls[module] += 1
        if isinstance(output, Tensor):
            self.given[module] = id(output)
            if type(module) is nn.Conv2d:
                self.readers.watch(output)

    def before(self, module: nn.Module, given: tuple[Any, ...]) -> None:
        """Note what a module took."""
        if type(module) is nn.BatchNorm2d and given and isinstance(given[0], Tensor):
            self.taken[module] = id(given[0])


def _watched(model: nn.Module, image: Tensor) -> tuple[Fold, ...]:
    hooked = {m for m in model.modules() if _has_hooks(m)}
    seen = _Sightings(model)
    handles = [m.register_forward_hook(seen.after) for m in seen.names]
    handles += [m.register_forward_pre_hook(seen.before) for m in seen.names]
    try:
        with torch.no_grad(), seen.readers:
            model(image)
    finally:
        for handle in handles:
            handle.remove()
    found = []
    for norm, number in seen.taken.items():
        shown = [m for m, gave in seen.given.items() if gave == number]
        convolutions = [m for m in shown if type(m) is nn.Conv2d]
        readers = seen.readers.readers.get(number, [])
        alone = len(readers) == 1 and "batch_norm" in readers[0]
        if len(convolutions) != 1 or not alone or hooked & {*shown, norm}:
            continue
        if seen.calls[convolutions[0]] == seen.calls[norm] == 1 and _keeps_statistics(norm):
            names = frozenset(seen.names[m] for m in shown)
            found.append(Fold(seen.names[convolutions[0]], seen.names[norm], names))
    return tuple(found)


def _has_hooks(module: nn.Module) -> bool:
    tables: list[dict[Any, Callable[..., Any]]] = [
        module._forward_hooks,  # noqa: SLF001 - torch has no public way to ask
        module._forward_pre_hooks,  # noqa: SLF001
    ]
    return any(tables) or "forward" in module.__dict__


def _keeps_statistics(module: nn.Module) -> bool:
    return isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
