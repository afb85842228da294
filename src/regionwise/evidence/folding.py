"""Which batch normalisations may be computed by the convolution in front of them.

In evaluation mode a batch normalisation is a factor and a shift of each channel. Where it is the
only reader of what a convolution gives, both can go into the convolution's weights, and a pass over
the whole map is saved. Who reads what is watched, once, on one image.
"""

from __future__ import annotations

import weakref
from collections.abc import Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from regionwise.evidence.structure import has_hooks, structure


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


_Found: TypeAlias = tuple[Hashable, dict[tuple[int, ...], tuple[Fold, ...]]]

_FOUND: Final[weakref.WeakKeyDictionary[nn.Module, _Found]] = weakref.WeakKeyDictionary()


def folds_of(model: nn.Module, image: Tensor) -> tuple[Fold, ...]:
    """Return what can be folded in a network, which must be in evaluation mode.

    Args:
        model: the network.
        image: one image as it would be fed, 1 c h w; it is run through the network if this has
            batch normalisations and was not watched, as it is built now, for this size before.
    """
    if not any(type(module) is nn.BatchNorm2d for module in model.modules()):
        return ()
    built = structure(model)
    if built is None:
        return ()
    if _FOUND.get(model, (None, {}))[0] != built:
        _FOUND[model] = (built, {})
    known = _FOUND[model][1]
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
        self.of: dict[int, list[str]] = {}
        self.alive: list[Tensor] = []
        self.asked = False

    def watch(self, tensor: Tensor) -> None:
        """Count who reads a tensor from now on; it stays alive, so that its id is its own."""
        if id(tensor) not in self.of:
            self.of[id(tensor)] = []
            self.alive.append(tensor)

    def watched(self, values: Any) -> list[int]:
        """Return the ids of the tensors among some values that are watched."""
        found = [id(value) for value in tree_leaves(values) if isinstance(value, Tensor)]
        return [number for number in found if number in self.of]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run an operation and note what it reads, and whether values are asked for."""
        name = str(func)
        self.asked |= "_local_scalar_dense" in name
        for number in self.watched((args, kwargs)):
            self.of[number].append(name)
        return func(*args, **(kwargs or {}))

    def only(self, tensor: Tensor | int, operation: str) -> bool:
        """Whether one operation of this kind read a tensor, and nothing else did."""
        found = self.of.get(tensor if isinstance(tensor, int) else id(tensor), [])
        return len(found) == 1 and operation in found[0]


class _Sightings:
    """What modules gave and took in one pass."""

    def __init__(self, model: nn.Module) -> None:
        self.names = {module: name for name, module in model.named_modules()}
        self.hooked = {module for module in self.names if has_hooks(module)}
        self.readers = _Readers()
        self.given: dict[nn.Module, list[int]] = {}
        self.taken: dict[nn.Module, list[int]] = {}
        for module in self.names:
            if type(module) in {nn.Conv2d, nn.BatchNorm2d}:
                for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
                    self.readers.watch(tensor)

    def after(self, module: nn.Module, _: Any, output: Any) -> None:
        """Note what a module gave."""
        if type(module) is nn.Conv2d and isinstance(output, Tensor):
            self.readers.watch(output)
        self.given.setdefault(module, []).extend(self.readers.watched(output))

    def before(self, module: nn.Module, args: Any, kwargs: Any) -> None:
        """Note what a module took."""
        self.taken.setdefault(module, []).extend(self.readers.watched((args, kwargs)))

    def fold(self, norm: nn.BatchNorm2d) -> Fold | None:
        """Return how a normalisation can be folded, if it can."""
        if norm.running_mean is None or norm.training or len(self.taken.get(norm, ())) != 1:
            return None
        number = self.taken[norm][0]
        shown = [module for module, numbers in self.given.items() if number in numbers]
        convolutions = [module for module in shown if type(module) is nn.Conv2d]
        if len(convolutions) != 1 or len(self.given[convolutions[0]]) != 1:
            return None
        # a weight may also be read by others, and a module be run past its hooks
        alone = (
            self.readers.only(number, "batch_norm"),
            self.readers.only(norm.running_mean, "batch_norm"),
            self.readers.only(convolutions[0].weight, "convolution"),
        )
        touched = {*shown, *(module for module, ids in self.taken.items() if number in ids)}
        if not all(alone) or self.hooked & touched:
            return None
        names = frozenset(self.names[module] for module in shown)
        return Fold(self.names[convolutions[0]], self.names[norm], names)


def _watched(model: nn.Module, image: Tensor) -> tuple[Fold, ...]:
    seen = _Sightings(model)
    handles = [m.register_forward_hook(seen.after) for m in seen.names]
    handles += [m.register_forward_pre_hook(seen.before, with_kwargs=True) for m in seen.names]
    try:
        with torch.no_grad(), torch.autocast(image.device.type, enabled=False), seen.readers:
            model(image)
    finally:
        for handle in handles:
            handle.remove()
    if seen.readers.asked:
        # what it computes depends on values: with another image others may read
        return ()
    norms = [module for module in seen.names if type(module) is nn.BatchNorm2d]
    return tuple(fold for norm in norms if (fold := seen.fold(norm)) is not None)
