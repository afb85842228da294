"""Logits of masked pictures, remembered from one call to the next: another target costs nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from torch import Tensor, nn

from regionwise.evidence.digest import digest
from regionwise.evidence.scoring import Remember, forgetful
from regionwise.models.classifier import Classifier
from regionwise.models.wrappers import unwrap
from regionwise.shapes import Inputs

REMEMBERED: Final = 2**25
"""Logits that are kept at most (128 MiB in single precision); the oldest are dropped."""


class Memory:
    """Logits of pictures under masks that depend on picture, layer and a key, for one network.

    All is forgotten when the network's weights or buffers change.
    """

    def __init__(self, model: nn.Module, *, most: int = REMEMBERED) -> None:
        self.model = unwrap(model)
        self._most = most
        self._state = _state_of(self.model)
        self._known: OrderedDict[Hashable, Tensor] = OrderedDict()

    def row(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """Return the logits m y of a picture under masks; ``key`` names picture and masks."""
        state = _state_of(self.model)
        if state != self._state:
            self._known.clear()
            self._state = state
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        self._known[key] = found = compute()
        while len(self._known) > 1 and sum(t.numel() for t in self._known.values()) > self._most:
            self._known.popitem(last=False)
        return found

    def forget(self) -> None:
        """Drop everything."""
        self._known.clear()


_ACTIVE: ContextVar[Memory | None] = ContextVar("remembered masked logits", default=None)


@contextmanager
def remembering(model: nn.Module | Classifier | Memory) -> Iterator[Memory]:
    """Score no masked picture of a network twice while this is open, whichever target is asked.

    ::

        with remembering(model):
            explain(model, images, "score-cam", targets=3)
            explain(model, images, "union-cam", targets=7)  # the network sees no mask again

    Other networks, and layers, are as if it were not there. Holds for the current thread or task.
    """
    network = model.module if isinstance(model, Classifier) else model
    kept = network if isinstance(network, Memory) else Memory(network)
    before = _ACTIVE.set(kept)
    try:
        yield kept
    finally:
        _ACTIVE.reset(before)


def remember_for(model: nn.Module, key: Hashable, inputs: Inputs) -> Remember:
    """Return what remembers the logits of each input under the masks that ``key`` names."""
    memory = _ACTIVE.get()
    if memory is None or memory.model is not model:
        return forgetful
    return lambda index, compute: memory.row((key, digest(inputs[index])), compute)


def _state_of(model: nn.Module) -> tuple[object, ...]:
    """Return what changes whenever a weight or buffer is replaced or written in place."""
    tensors = [*model.parameters(), *model.buffers()]
    return tuple(
        (id(t), t.data_ptr(), 0 if t.is_inference() else t._version)  # noqa: SLF001 - no other way
        for t in tensors
    )
