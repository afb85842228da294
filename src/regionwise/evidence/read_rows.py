"""Computing of a network's tail only those rows that are read.

A transformer reads one token of its last map, the class token. Of all that lies behind the last
attention only that token's row is needed, and of the attention only its query: two thirds of a
block's work is for nothing. Inside ``with OnlyRead():`` functions that treat the rows of an axis
one by one are put off. When a few rows are read, they are computed for these rows alone; anything
else that is asked computes the whole, as if nothing had been put off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, TypeAlias, cast

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from regionwise.errors import RegionwiseError
from regionwise.evidence.probe import Probe
from regionwise.evidence.replay import version_of

_FEW: Final = 4
"""Rows are computed alone where they are at most this fraction of their axis."""

# fmt: off
_ONE_BY_ONE: Final = (
    "abs", "add", "celu", "clamp", "clamp_min", "clone", "div", "elu", "exp", "gelu", "hardswish",
    "hardtanh", "leaky_relu", "mish", "mul", "neg", "pow", "relu", "relu6", "selu", "sigmoid",
    "silu", "softplus", "square", "sub", "tanh", "true_divide",
)
_TOLD: Final = (
    "device", "dim", "dtype", "element_size", "is_complex", "is_cpu", "is_cuda",
    "is_floating_point", "is_nested", "is_sparse", "layout", "ndim", "ndimension", "numel",
    "requires_grad", "shape", "size", "__len__",
)
# fmt: on

Make: TypeAlias = Callable[[int, slice], Tensor]
"""Computes some rows of an axis."""

Function: TypeAlias = Callable[..., Any]


class TakenBackError(RuntimeError):
    """What was put off was changed before it was computed."""


class Rows(Tensor):
    """A result that is not computed yet: its form, and how to get some of its rows, or all.

    Attributes:
        axes: whose rows can be computed one by one.
    """

    axes: frozenset[int]
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]  # noqa: SLF001

    @classmethod
    def __torch_dispatch__(
        cls, func: Function, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Compute all for a function that torch did not ask us about before."""
        return func(*tree_map(_whole, args), **tree_map(_whole, kwargs or {}))

    @staticmethod
    def put_off(
        shape: Sequence[int], like: Tensor, axes: frozenset[int], make: Make, given: Any
    ) -> Rows:
        """Put off what ``make`` computes from the tensors in ``given``."""
        bare = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]  # noqa: SLF001
            Rows, tuple(shape), dtype=like.dtype, device=like.device
        )
        rows = cast("Rows", bare)
        rows.axes = axes
        rows._make, rows._whole, rows._parts = make, None, {}
        rows._given = [(one, _state(one)) for one in tree_leaves(given) if isinstance(one, Tensor)]
        return rows

    _make: Make
    _whole: Tensor | None
    _born: int
    _parts: dict[tuple[int, int, int], Tensor]
    _given: list[tuple[Tensor, int]]

    def whole(self) -> Tensor:
        """Compute everything, once."""
        if self._whole is None:
            axis = next(iter(self.axes))
            self._whole = self._made(axis, slice(0, self.shape[axis]))
            self._born = version_of(self._whole)
            # nothing keeps alive what it was computed from
            self._given, self._parts = [], {}
            del self._make
        return self._whole

    def part(self, axis: int, where: slice) -> Tensor:
        """Compute some rows of an axis; all of them if these cannot be had alone."""
        if self._whole is not None or axis not in self.axes:
            return self.whole().narrow(axis, where.start, where.stop - where.start)
        key = (axis, where.start, where.stop)
        if key not in self._parts:
            self._parts[key] = self._made(axis, where)
        return self._parts[key]

    def _made(self, axis: int, where: slice) -> Tensor:
        if any(_state(one) != before for one, before in self._given):
            raise TakenBackError("a tensor was changed before what was put off could use it")
        return self._make(axis, where)


class OnlyRead(TorchFunctionMode):
    """Put off what treats rows one by one, until rows are read."""

    def __torch_function__(
        self,
        func: Function,
        types: Any,  # noqa: ARG002 - torch's own form
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch, or put it off."""
        named = kwargs or {}
        if func in _METADATA:
            return func(*args, **named)
        rule = _RULES.get(func)
        found = NotImplemented if rule is None else rule(func, args, named)
        if found is not NotImplemented:
            return found
        late = [one for one in tree_leaves((args, named)) if isinstance(one, Rows)]
        if late and _in_place(func, named):
            raise TakenBackError("what was put off cannot be changed in place")
        return func(*tree_map(_whole, args), **tree_map(_whole, named)) if late else func(
            *args, **named
        )


def only_read(probe: Probe) -> Callable[[], AbstractContextManager[Any]]:
    """Return how to run the tail of a probe: rows that are not read left out, where that works.

    Only maps of tokens have such rows. It is tried on the network's own map and has to give the
    network's own logits.
    """
    if probe.grid.layout != "tokens" or probe.tail.mode != "replay":
        return nullcontext
    twice = probe.activations[:1].expand(2, -1, -1, -1)
    try:
        with torch.no_grad(), OnlyRead():
            found = probe.tail(0, twice)
    except (RegionwiseError, RuntimeError, ValueError, TypeError, IndexError, AttributeError):
        return nullcontext
    logits = probe.logits[:1]
    slack = max(64 * torch.finfo(logits.dtype).eps, 1e-5) * logits.abs().amax().clamp_min(1e-12)
    return OnlyRead if bool((found - logits).abs().amax() <= slack) else nullcontext


def _one_by_one(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Put off what works number by number on tensors that fit each other by broadcasting."""
    tensors = [one for one in tree_leaves((args, named)) if isinstance(one, Tensor)]
    late = [one for one in tensors if isinstance(one, Rows)]
    if not late or _in_place(func, named) or any(one.dtype != late[0].dtype for one in tensors):
        return NotImplemented
    shape = torch.broadcast_shapes(*(one.shape for one in tensors))

    def make(axis: int, where: slice) -> Tensor:
        def cut(value: Any) -> Any:
            own = axis - len(shape) + (value.dim() if isinstance(value, Tensor) else 0)
            if not isinstance(value, Tensor) or own < 0 or value.shape[own] != shape[axis]:
                return _whole(value)
            return _part(value, own, where)

        made: Tensor = func(*tree_map(cut, args), **tree_map(cut, named))
        return made

    return Rows.put_off(shape, late[0], frozenset(range(len(shape))), make, (args, named))


def _along_last(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Put off a linear layer, a normalisation, or a softmax, of what lies on the last axis."""
    if not args or not isinstance(args[0], Tensor) or args[0].dim() < 3:
        return NotImplemented
    source, rest = args[0], args[1:]
    if func is F.linear:
        width = (rest[0] if rest else named["weight"]).shape[0]
    elif not isinstance(source, Rows) or not _reads_last(func, source, rest, named):
        return NotImplemented
    else:
        width = source.shape[-1]

    def make(axis: int, where: slice) -> Tensor:
        made: Tensor = func(_part(source, axis, where), *rest, **named)
        return made

    shape = (*source.shape[:-1], width)
    return Rows.put_off(shape, source, frozenset(range(len(shape) - 1)), make, (args, named))


def _reads_last(func: Function, source: Tensor, rest: Any, named: dict[str, Any]) -> bool:
    if func in {F.layer_norm, F.rms_norm}:
        widths = rest[0] if rest else named.get("normalized_shape", ())
        return len(widths) == 1
    axis = rest[0] if rest else named.get("dim")
    return axis in {-1, source.dim() - 1}


def _attention(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Put off an attention without a mask: every query is answered by itself."""
    plain = {name: value for name, value in named.items() if name not in {"dropout_p", "scale"}}
    if len(args) < 3 or len(args) > 3 or any(plain.values()) or named.get("dropout_p", 0.0) != 0.0:
        return NotImplemented
    query, key, value = args

    def make(axis: int, where: slice) -> Tensor:
        made: Tensor = func(_part(query, axis, where), _whole(key), _whole(value), **named)
        return made

    shape = (*query.shape[:-1], value.shape[-1])
    return Rows.put_off(shape, query, frozenset({len(shape) - 2}), make, args)


def _many_heads(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Put off torch's own multi-head attention, l n d, where its weights are not asked for."""
    masks = [named.get(name) for name in ("attn_mask", "key_padding_mask")]
    asked = named.get("need_weights", True) or named.get("is_causal", False)
    if asked or any(mask is not None for mask in masks) or args[0].dim() != 3:
        return NotImplemented
    query, *rest = args
    rest = [_whole(one) for one in rest]

    def make(axis: int, where: slice) -> Tensor:
        made: Tensor = func(_part(query, axis, where), *rest, **named)[0]
        return made

    return Rows.put_off(query.shape, query, frozenset({0}), make, (args, named)), None


def _moved(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Put off an exchange of axes."""
    source = args[0]
    if not isinstance(source, Rows) or named:
        return NotImplemented
    places = func(torch.empty(tuple(range(1, source.dim() + 1)), device="meta"), *args[1:]).shape
    origin = [length - 1 for length in places]

    def make(axis: int, where: slice) -> Tensor:
        made: Tensor = func(_part(source, origin[axis], where), *args[1:])
        return made

    axes = frozenset(axis for axis, own in enumerate(origin) if own in source.axes)
    shape = [source.shape[own] for own in origin]
    return Rows.put_off(shape, source, axes, make, source) if axes else NotImplemented


def _reshaped(func: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Put off another form of the last axes: those in front of them stay."""
    source = args[0]
    if not isinstance(source, Rows) or named:
        return NotImplemented
    shape = func(torch.empty(source.shape, device="meta"), *args[1:]).shape
    same = 0
    while same < min(len(shape), source.dim()) and shape[same] == source.shape[same]:
        same += 1
    axes = frozenset(range(same)) & source.axes

    def make(axis: int, where: slice) -> Tensor:
        length = where.stop - where.start
        return _part(source, axis, where).reshape(*shape[:axis], length, *shape[axis + 1 :])

    return Rows.put_off(shape, source, axes, make, source) if axes else NotImplemented


def _same(_: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Answer with the very same: dropout of a network in eval mode, another memory layout."""
    source = args[0]
    asked = named.get("training", args[2] if len(args) > 2 else len(args) > 1)
    return source if isinstance(source, Rows) and not asked else NotImplemented


def _read(_: Function, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
    """Compute the rows that an index x[:, 0] or x[:, 0:2] reads, if they are few."""
    source = args[0]
    if not isinstance(source, Rows) or named or len(args) != 2:
        return NotImplemented
    keys = args[1] if isinstance(args[1], tuple) else (args[1],)
    chosen = [axis for axis, key in enumerate(keys) if key != slice(None)]
    if len(chosen) != 1 or not isinstance(keys[chosen[0]], int | slice):
        return NotImplemented
    axis, key = chosen[0], keys[chosen[0]]
    size = source.shape[axis]
    places = range(size)[key if isinstance(key, slice) else slice(key, key + 1 or None)]
    if places.step != 1 or not 0 < len(places) * _FEW <= size:
        return NotImplemented
    found = source.part(axis, slice(places.start, places.stop))
    return found if isinstance(key, slice) else found.select(axis, 0)


def _part(value: Tensor, axis: int, where: slice) -> Tensor:
    if isinstance(value, Rows):
        return value.part(axis, where)
    return value.narrow(axis, where.start, where.stop - where.start)


def _whole(value: Any) -> Any:
    return value.whole() if isinstance(value, Rows) else value


def _state(one: Tensor) -> int:
    """Return how often a tensor was changed; of one that was put off, once it is there."""
    if not isinstance(one, Rows):
        return version_of(one)
    return 0 if one._whole is None else version_of(one._whole) - one._born  # noqa: SLF001 - our own


def _in_place(func: Function, named: dict[str, Any]) -> bool:
    name = getattr(func, "__name__", "")
    hidden = name.startswith("__i") or name in {"__setitem__", "__set__"}
    ends = name.endswith("_") and not name.endswith("__")
    return ends or hidden or "out" in named or named.get("inplace") is True


def _of(*names: str) -> frozenset[Function]:
    homes = (F, torch, Tensor)
    found = (getattr(home, name, None) for home in homes for name in names)
    return frozenset(one for one in found if callable(one))


_METADATA: Final = _of(*_TOLD) | {
    getattr(Tensor, name).__get__ for name in _TOLD if hasattr(getattr(Tensor, name, None), "__get__")
}
_RULES: Final[dict[Function, Callable[[Function, tuple[Any, ...], dict[str, Any]], Any]]] = {
    **dict.fromkeys(_of(*_ONE_BY_ONE, *(f"__{n}__" for n in _ONE_BY_ONE), "__truediv__"), _one_by_one),
    **dict.fromkeys(_of("__radd__", "__rmul__", "__rsub__", "__rtruediv__"), _one_by_one),
    **dict.fromkeys(_of("linear", "layer_norm", "rms_norm", "softmax"), _along_last),
    **dict.fromkeys(_of("scaled_dot_product_attention"), _attention),
    **dict.fromkeys(_of("multi_head_attention_forward"), _many_heads),
    **dict.fromkeys(_of("transpose", "permute", "swapaxes"), _moved),
    **dict.fromkeys(_of("reshape", "view", "flatten"), _reshaped),
    **dict.fromkeys(_of("dropout", "contiguous"), _same),
    **dict.fromkeys(_of("__getitem__"), _read),
}
