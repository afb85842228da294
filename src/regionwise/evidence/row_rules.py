"""Which functions of torch treat the rows of a tensor one by one, and can be put off.

A rule gets a function with its arguments. It returns what was put off, or ``NotImplemented`` where
the function has to run now.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation
from torch.utils._pytree import tree_leaves, tree_map

from regionwise.evidence.rows import Rows, part_of, put_off, whole_of

Function: TypeAlias = Callable[..., Any]
Args: TypeAlias = tuple[Any, ...]
Named: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[[Function, Args, Named], Any]

_FEW: Final = 4
"""Rows are computed alone if they are no more than this fraction of their axis."""

# fmt: off
_NUMBER_BY_NUMBER: Final = (
    "abs", "add", "celu", "clamp", "clamp_min", "clone", "contiguous", "div", "elu", "exp", "gelu",
    "hardswish", "hardtanh", "leaky_relu", "mish", "mul", "neg", "relu", "relu6", "selu", "sigmoid",
    "silu", "softplus", "square", "sub", "tanh", "__add__", "__mul__", "__neg__", "__radd__",
    "__rmul__", "__rsub__", "__sub__", "__truediv__",
)
# fmt: on


def in_place(func: Function, named: Named) -> bool:
    """Whether a function writes to what it is given."""
    name = getattr(func, "__name__", "")
    hidden = name.startswith("__i") or name in {"__set__", "__setitem__"}
    shown = name.endswith("_") and not name.endswith("__")
    return hidden or shown or "out" in named or named.get("inplace") is True


def _number_by_number(func: Function, args: Args, named: Named) -> Any:
    """Put off what treats number by number tensors that fit each other by broadcasting."""
    tensors = [one for one in tree_leaves((args, named)) if isinstance(one, Tensor)]
    late = [one for one in tensors if isinstance(one, Rows)]
    if not late or in_place(func, named) or any(one.dtype != late[0].dtype for one in tensors):
        return NotImplemented
    shape: torch.Size = torch.broadcast_shapes(*(one.shape for one in tensors))  # type: ignore[no-untyped-call]

    def make(axis: int, where: slice) -> Tensor:
        def cut(value: Any) -> Any:
            if not isinstance(value, Tensor):
                return value
            own = axis - len(shape) + value.dim()
            spread = own < 0 or value.shape[own] != shape[axis]
            return whole_of(value) if spread else part_of(value, own, where)

        made: Tensor = func(*tree_map(cut, args), **tree_map(cut, named))
        return made

    return put_off(shape, late[0], frozenset(range(len(shape))), make, (args, named))


def _linear(func: Function, args: Args, named: Named) -> Any:
    """Put off a linear layer on tokens."""
    if len(args) < 2 or args[0].dim() < 3:
        return NotImplemented
    return _last_axis(func, args, named, width=args[1].shape[0])


def _normalised(func: Function, args: Args, named: Named) -> Any:
    """Put off a normalisation over the last axis."""
    if not isinstance(args[0], Rows) or len(args) < 2 or len(args[1]) != 1:
        return NotImplemented
    return _last_axis(func, args, named, width=args[0].shape[-1])


def _last_axis(func: Function, args: Args, named: Named, *, width: int) -> Rows:
    source, rest = args[0], args[1:]

    def make(axis: int, where: slice) -> Tensor:
        made: Tensor = func(part_of(source, axis, where), *rest, **named)
        return made

    shape = (*source.shape[:-1], width)
    return put_off(shape, source, frozenset(range(len(shape) - 1)), make, (args, named))


def _attention(func: Function, args: Args, named: Named) -> Any:
    """Put off an attention without a mask: every query is answered by itself."""
    chosen = any(named.get(name) for name in ("dropout_p", "is_causal", "enable_gqa"))
    if len(args) != 3 or chosen or named.get("attn_mask") is not None:
        return NotImplemented
    query, key, value = args

    def make(axis: int, where: slice) -> Tensor:
        made: Tensor = func(part_of(query, axis, where), whole_of(key), whole_of(value), **named)
        return made

    shape = (*query.shape[:-1], value.shape[-1])
    return put_off(shape, query, frozenset({len(shape) - 2}), make, args)


def _many_heads(func: Function, args: Args, named: Named) -> Any:
    """Put off torch's own multi-head attention, l n d, where its weights are not asked for."""
    masked = any(named.get(name) is not None for name in ("attn_mask", "key_padding_mask"))
    if masked or named.get("need_weights", True) or named.get("is_causal") or args[0].dim() != 3:
        return NotImplemented
    query, rest = args[0], args[1:]

    def make(axis: int, where: slice) -> Tensor:
        # key and value stay one tensor, if they are: torch looks
        made: Tensor = func(part_of(query, axis, where), *map(whole_of, rest), **named)[0]
        return made

    return put_off(query.shape, query, frozenset({0}), make, (args, named)), None


def _moved(func: Function, args: Args, named: Named) -> Any:
    """Put off an exchange of axes."""
    source = args[0]
    if not isinstance(source, Rows) or named:
        return NotImplemented
    numbered = torch.empty(tuple(range(source.dim())), device="meta")
    origin = tuple(func(numbered, *args[1:]).shape)

    def make(axis: int, where: slice) -> Tensor:
        made: Tensor = func(part_of(source, origin[axis], where), *args[1:])
        return made

    axes = frozenset(axis for axis, own in enumerate(origin) if own in source.axes)
    return put_off([source.shape[own] for own in origin], source, axes, make, source)


def _reshaped(func: Function, args: Args, named: Named) -> Any:
    """Put off another form of the last axes, where those in front of them stay."""
    source = args[0]
    if not isinstance(source, Rows) or named:
        return NotImplemented
    shape = func(torch.empty(source.shape, device="meta"), *args[1:]).shape
    pairs = enumerate(zip(shape, source.shape, strict=False))
    first = next((axis for axis, (new, old) in pairs if new != old), min(len(shape), source.dim()))
    axes = frozenset(range(first)) & source.axes
    if not axes:
        return NotImplemented

    def make(axis: int, where: slice) -> Tensor:
        length = where.stop - where.start
        return part_of(source, axis, where).reshape(*shape[:axis], length, *shape[axis + 1 :])

    return put_off(shape, source, axes, make, source)


def _dropped(_: Function, args: Args, named: Named) -> Any:
    """Leave out a dropout that drops nothing."""
    trains = named["training"] if "training" in named else args[2] if len(args) > 2 else True
    return args[0] if isinstance(args[0], Rows) and not trains else NotImplemented


def _read(_: Function, args: Args, named: Named) -> Any:
    """Compute the rows that an index such as x[:, 0] or x[:, 0:2] reads, if they are few."""
    source, keys = args[0], args[1] if isinstance(args[1], tuple) else (args[1],)
    chosen = [axis for axis, key in enumerate(keys) if key != slice(None)]
    if not isinstance(source, Rows) or named or len(chosen) != 1:
        return NotImplemented
    axis, key = chosen[0], keys[chosen[0]]
    if type(key) not in {int, slice}:
        return NotImplemented
    size = source.shape[axis]
    places = range(size)[key if isinstance(key, slice) else slice(key, key + 1 or None)]
    if places.step != 1 or not 0 < _FEW * len(places) <= size:
        return NotImplemented
    found = source.part(axis, slice(places.start, places.stop))
    return found if isinstance(key, slice) else found.select(axis, 0)


def _found(*names: str) -> list[Function]:
    homes = (F, torch, Tensor)
    found = (getattr(home, name, None) for home in homes for name in names)
    return [one for one in found if callable(one)]


RULES: Final[dict[Function, Rule]] = {
    **dict.fromkeys(_found(*_NUMBER_BY_NUMBER), _number_by_number),
    **dict.fromkeys(_found("linear"), _linear),
    **dict.fromkeys(_found("layer_norm", "rms_norm"), _normalised),
    **dict.fromkeys(_found("scaled_dot_product_attention"), _attention),
    **dict.fromkeys(_found("multi_head_attention_forward"), _many_heads),
    **dict.fromkeys(_found("transpose", "permute", "swapaxes"), _moved),
    **dict.fromkeys(_found("reshape", "view", "flatten"), _reshaped),
    **dict.fromkeys(_found("dropout"), _dropped),
    **dict.fromkeys(_found("__getitem__"), _read),
}
