"""Stand-ins for a network's weights: in another layout, in other numbers, without gradients.

A network is explained by its own code with other tensors in the places of its weights, for the
length of a pass. The weights themselves keep values, strides and dtype. Stand-ins that are views
share the weight's memory; those that are copies are kept for the next call, and made again when a
weight was replaced or written to - also by way of ``.data``, which torch does not count.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from regionwise.evidence.folding import Fold, folded
from regionwise.evidence.packing import Packed, can_be_packed
from regionwise.evidence.weights_state import weights_state

_Table: TypeAlias = dict[str, Tensor | None]
_Made: TypeAlias = tuple[Tensor, Tensor, tuple[float, ...]]

_ROW: Final = 2**10
"""Numbers of a weight that are summed up first when it is looked at again: all cores share rows."""

_ROWS: Final = 2**8
"""Rows that are summed up into one."""


@dataclass(frozen=True)
class Form:
    """What stand-ins look like.

    Attributes:
        dtype: of all weights and buffers that are floating point; ``None`` leaves theirs.
        products: of what is multiplied (weights and biases of convolutions and linear layers), in
            front of the layer; ``None`` for the same as behind it.
        channels_last: weights of flat convolutions lie with their channels last.
        folds: normalisations that go into the convolutions before them.
        packed: convolutions keep their weights in the order that the processor's library wants.
    """

    dtype: torch.dtype | None = None
    products: torch.dtype | None = None
    channels_last: bool = False
    folds: tuple[Fold, ...] = ()
    packed: bool = False


@dataclass(frozen=True, eq=False)
class _Place:
    """One entry of a module's weights or buffers, and what stands in for it."""

    module: weakref.ref[nn.Module]
    buffer: bool
    name: str
    exact: Tensor
    coarse: Tensor
    sums: tuple[float, ...]

    @property
    def table(self) -> _Table:
        return _table(self.module(), buffer=self.buffer)

    @property
    def fresh(self) -> bool:
        """Whether the weight that was copied still holds the same numbers."""
        tensor = self.table.get(self.name)
        return not self.sums or (tensor is not None and _sums(tensor) == self.sums)


@dataclass(frozen=True, eq=False)
class _Folded:
    """A convolution and the normalisation that it took over."""

    convolution: weakref.ref[nn.Module]
    normalisation: weakref.ref[nn.Module]
    sums: tuple[float, ...]

    @property
    def fresh(self) -> bool:
        """Whether the weights of both still hold the same numbers."""
        convolution, norm = self.convolution(), self.normalisation()
        return None not in {convolution, norm} and _sums_of(convolution, norm) == self.sums


class StandIns:
    """The stand-ins of one network in one form; ask :func:`stand_ins` for them."""

    def __init__(self, model: nn.Module, form: Form) -> None:
        made: dict[tuple[int, bool], _Made] = {}
        self._places: list[_Place] = []
        self._folded: list[_Folded] = []
        into = {fold.convolution: fold.normalisation for fold in form.folds}
        for path, module in model.named_modules():
            if path in into:
                self._fold(module, model.get_submodule(into[path]), form)
            elif not isinstance(module, torch.jit.ScriptModule):
                self._replace(module, form, made)
        self._half = form.products is not None
        self._packed = self._pack() if form.packed else []

    def _replace(self, module: nn.Module, form: Form, made: dict[tuple[int, bool], _Made]) -> None:
        multiplies = isinstance(module, _ConvNd | nn.Linear)
        for buffer in (False, True):
            for name, tensor in _table(module, buffer=buffer).items():
                if tensor is None or not _replaceable(tensor, form, buffer=buffer):
                    continue
                # a weight that several modules share keeps being shared
                key = (id(tensor), multiplies)
                if key not in made:
                    made[key] = _made(tensor, form, multiplies=multiplies, buffer=buffer)
                self._places.append(_Place(weakref.ref(module), buffer, name, *made[key]))

    def _fold(self, module: nn.Module, norm: nn.Module, form: Form) -> None:
        """Let a convolution normalise, and the normalisation pass on what it is given."""
        weight = module.get_parameter("weight")
        dtype = form.dtype or weight.dtype
        for name, tensor in zip(("weight", "bias"), folded(module, norm, dtype), strict=True):
            exact, coarse = _forms(tensor, form, multiplies=True)
            pair = (_frozen(exact, weight), _frozen(coarse, weight))
            self._places.append(
                _Place(
                    weakref.ref(module),
                    buffer=False,
                    name=name,
                    exact=pair[0],
                    coarse=pair[1],
                    sums=(),
                )
            )
        own = (weakref.ref(module), weakref.ref(norm))
        self._folded.append(_Folded(*own, _sums_of(module, norm)))

    def _pack(self) -> list[tuple[weakref.ref[nn.Module], Packed]]:
        """Return convolutions that keep their weights packed, as they are in front of the layer."""
        own: dict[weakref.ref[nn.Module], dict[str, Tensor]] = {}
        for place in self._places:
            own.setdefault(place.module, {})[place.name] = place.coarse
        return [
            (reference, Packed(module, tensors["weight"], tensors.get("bias")))
            for reference, tensors in own.items()
            if (module := reference()) is not None and can_be_packed(module, tensors)
        ]

    @property
    def fresh(self) -> bool:
        """Whether the copies among them still say what the weights say."""
        return all(place.fresh for place in self._places) and all(f.fresh for f in self._folded)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the stand-ins stand in; whatever happens inside, the weights come back."""
        tables = [(place.table, place.name) for place in self._places]
        before = [table[name] for table, name in tables]
        instead: list[tuple[nn.Module | None, Callable[[Tensor], Tensor]]] = [
            *((one.normalisation(), _pass_on) for one in self._folded),
            *((reference(), packed) for reference, packed in self._packed),
        ]
        # a pass inside a pass finds them so already, and leaves them so
        own = [(vars(m), run) for m, run in instead if m is not None and "forward" not in vars(m)]
        try:
            self.put(coarse=False)
            for attributes, run in own:
                attributes["forward"] = run
            yield
        finally:
            for attributes, _ in own:
                attributes.pop("forward", None)
            for (table, name), tensor in zip(tables, before, strict=True):
                table[name] = tensor

    def put(self, *, coarse: bool) -> None:
        """Put the coarse numbers, or the exact ones, where the network finds its weights."""
        for place in self._places:
            place.table[place.name] = place.coarse if coarse else place.exact
        for _, packed in self._packed:
            packed.idle = self._half and not coarse


_KEPT: Final[weakref.WeakKeyDictionary[nn.Module, tuple[object, dict[Form, StandIns]]]] = (
    weakref.WeakKeyDictionary()
)


def stand_ins(model: nn.Module, form: Form) -> StandIns:
    """Return a network's stand-ins, made once until a weight changes."""
    # weights may stay and the modules that hold them change
    state = (weights_state(model), tuple(weakref.ref(module) for module in model.modules()))
    before, known = _KEPT.get(model, (None, {}))
    if before != state:
        known = {}
        _KEPT[model] = (state, known)
    if form not in known or not known[form].fresh:
        known[form] = StandIns(model, form)
    return known[form]


def _table(module: nn.Module | None, *, buffer: bool) -> _Table:
    if module is None:
        return {}
    return module._buffers if buffer else module._parameters  # type: ignore[return-value]  # noqa: SLF001


def _replaceable(tensor: Tensor, form: Form, *, buffer: bool) -> bool:
    """Whether a tensor is a plain one; a buffer, which a pass may write to, only if it must be."""
    plain = type(tensor) in {nn.Parameter, Tensor} and not tensor.is_meta
    if not plain or tensor.is_inference() or tensor.layout != torch.strided:
        return False
    if not buffer:
        return True
    return form.dtype is not None and tensor.is_floating_point() and tensor.dtype != form.dtype


def _made(tensor: Tensor, form: Form, *, multiplies: bool, buffer: bool) -> _Made:
    """Return the exact and the coarse stand-in of a weight, and its sums if one is a copy."""
    source = tensor.detach()
    exact, coarse = _forms(source, form, multiplies=multiplies)
    copied = any(one.data_ptr() != source.data_ptr() for one in (exact, coarse))
    sums = _sums(source) if copied else ()
    if buffer:
        return exact, coarse, sums
    frozen = _frozen(exact, tensor)
    return frozen, frozen if coarse is exact else _frozen(coarse, tensor), sums


def _forms(source: Tensor, form: Form, *, multiplies: bool) -> tuple[Tensor, Tensor]:
    """Return a weight as it is exact, and as it is coarse."""
    exact, floating = source, source.is_floating_point()
    if form.dtype is not None and floating:
        exact = exact.to(form.dtype)
    if form.channels_last and exact.dim() == 4 and multiplies:
        exact = exact.contiguous(memory_format=torch.channels_last)
    coarse = exact
    if form.products is not None and floating and multiplies:
        coarse = exact.to(form.products)
    return exact, coarse


def _frozen(values: Tensor, weight: Tensor) -> Tensor:
    """Return values as a weight without gradients, with what was noted on the weight itself."""
    frozen = nn.Parameter(values, requires_grad=False)
    vars(frozen).update(vars(weight))
    return frozen


def _pass_on(value: Tensor) -> Tensor:
    """Take the place of a normalisation that was folded away."""
    return value


def _sums_of(*modules: nn.Module | None) -> tuple[float, ...]:
    """Return the sums of all that belongs to some modules themselves, and what they add to it."""
    found: list[float] = []
    for module in filter(None, modules):
        found.append(float(getattr(module, "eps", 0.0)))
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False)):
            found.extend(_sums(tensor))
    return tuple(found)


def _sums(tensor: Tensor) -> tuple[float, ...]:
    """Return a few sums that another value anywhere, or another order, would change."""
    flat = tensor.detach().reshape(-1).float()
    along, across = _weights(flat.device)
    rows = len(flat) // _ROW
    sums = [flat[rows * _ROW :] @ along[: len(flat) - rows * _ROW]]
    lines = flat[: rows * _ROW].view(rows, _ROW).mv(along) if rows else flat[:0]
    blocks = range(0, rows, _ROWS)
    sums += [lines[at : at + _ROWS] @ across[: len(lines[at : at + _ROWS])] for at in blocks]
    return tuple(torch.stack(sums).tolist())


@cache
def _weights(device: torch.device) -> tuple[Tensor, Tensor]:
    """Return fixed numbers, different enough from each other, between 1 and 2 and of both signs."""
    generator = torch.Generator().manual_seed(0)
    # whatever device and dtype are the default where this is asked for first
    how: dict[str, Any] = {"generator": generator, "device": "cpu"}
    size = torch.rand(_ROW + _ROWS, **how, dtype=torch.float32) + 1
    weights = (size * (torch.randint(2, size.shape, **how) * 2 - 1)).to(device)
    return weights[:_ROW], weights[_ROW:]
