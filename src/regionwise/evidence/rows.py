"""Results that are put off until it is known which of their rows are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from torch import Tensor
from torch._C import _disabled_torch_function_impl
from torch.utils._pytree import tree_leaves, tree_map

from regionwise.evidence.replay import version_of

Make: TypeAlias = Callable[[int, slice], Tensor]
"""Computes some rows of an axis."""


class TakenBackError(RuntimeError):
    """What something was to be computed from has been changed meanwhile."""


class Rows(Tensor):
    """A result that is not computed yet: its form, and how to get some of its rows, or all.

    To whoever asks for its form it is a tensor like others. Whatever else is done with it computes
    all of it; :class:`regionwise.evidence.read_rows.OnlyRead` knows what needs less.

    Attributes:
        axes: whose rows can be computed one by one.
    """

    axes: frozenset[int]
    _make: Make
    _given: Sequence[tuple[Tensor, int]]
    _whole: Tensor | None
    _born: int
    _parts: dict[tuple[int, int, int], Tensor]

    __torch_function__ = _disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Compute all of it for a function of torch."""
        return func(*tree_map(whole_of, args), **tree_map(whole_of, kwargs or {}))

    def begin(self, axes: frozenset[int], make: Make, given: Sequence[Tensor]) -> None:
        """Note how it is computed, from what, and in which state that is; see :func:`put_off`."""
        self.axes, self._make, self._whole, self._parts = axes, make, None, {}
        self._given = [(one, _changes(one)) for one in given]

    def whole(self) -> Tensor:
        """Compute everything, once."""
        if self._whole is None:
            axis = next(iter(self.axes))
            self._whole = self._made(axis, slice(0, self.shape[axis]))
            self._born = version_of(self._whole)
            # what it was computed from need not stay
            self._given, self._parts = (), {}
            del self._make
        return self._whole

    def part(self, axis: int, where: slice) -> Tensor:
        """Compute some rows of an axis; everything, if these cannot be had alone."""
        alone = axis in self.axes and where.stop - where.start < self.shape[axis]
        if self._whole is not None or not alone:
            return part_of(self.whole(), axis, where)
        key = (axis, where.start, where.stop)
        if key not in self._parts:
            self._parts[key] = self._made(axis, where)
        return self._parts[key]

    def changes(self) -> int:
        """Return how often it was changed in place since it was computed."""
        return 0 if self._whole is None else version_of(self._whole) - self._born

    def _made(self, axis: int, where: slice) -> Tensor:
        if any(_changes(one) != before for one, before in self._given):
            raise TakenBackError("a tensor was changed before what was put off could use it")
        return self._make(axis, where)


def put_off(
    shape: Sequence[int], like: Tensor, axes: frozenset[int], make: Make, given: Any
) -> Rows:
    """Put off what ``make`` computes, rows of ``axes``, from the tensors anywhere in ``given``.

    Its dtype and device are those of ``like``.
    """
    rows: Rows = Tensor._make_wrapper_subclass(  # noqa: SLF001 - there is no public way
        Rows, tuple(shape), dtype=like.dtype, device=like.device
    )
    rows.begin(axes, make, [one for one in tree_leaves(given) if isinstance(one, Tensor)])
    return rows


def part_of(value: Tensor, axis: int, where: slice) -> Tensor:
    """Return some rows of a tensor, computed if they were put off."""
    if isinstance(value, Rows):
        return value.part(axis, where)
    return value.narrow(axis, where.start, where.stop - where.start)


def whole_of(value: Any) -> Any:
    """Return a tensor, computed if it was put off, or whatever else it is."""
    return value.whole() if isinstance(value, Rows) else value


def _changes(one: Tensor) -> int:
    return one.changes() if isinstance(one, Rows) else version_of(one)
