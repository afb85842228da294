"""Logits of masked pictures, remembered from one call to the next: another target costs nothing."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from torch import Tensor, nn

from regionwise.evidence.digest import digest
from regionwise.evidence.weights_state import weights_state
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
        self._state = weights_state(self.model)
        self._known: OrderedDict[Hashable, Tensor] = OrderedDict()

    def get(self, key: Hashable) -> Tensor | None:
        """Return the logits m y of a picture under masks, if known; ``key`` names both."""
        state = weights_state(self.model)
        if state != self._state:
            self._known.clear()
            self._state = state
        if key not in self._known:
            return None
        self._known.move_to_end(key)
        return self._known[key]

    def put(self, key: Hashable, logits: Tensor) -> None:
        """Keep logits; what was asked for longest ago is dropped if they are too many."""
        self._known[key] = logits
        while len(self._known) > 1 and sum(t.numel() for t in self._known.values()) > self._most:
            self._known.popitem(last=False)

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


@dataclass(frozen=True, eq=False)
class Recollection:
    """What a memory holds of some pictures under the masks that a key names."""

    memory: Memory
    key: Hashable
    inputs: Inputs

    def get(self, index: int) -> Tensor | None:
        """Return the logits m y of a picture of the batch, if they are known."""
        return self.memory.get((self.key, self._digests[index]))

    def put(self, index: int, logits: Tensor) -> None:
        """Keep the logits m y of a picture of the batch."""
        self.memory.put((self.key, self._digests[index]), logits)

    @cached_property
    def _digests(self) -> list[str]:
        return [digest(one) for one in self.inputs]


def recall_for(model: nn.Module, key: Hashable, inputs: Inputs) -> Recollection | None:
    """Return what remembers each input under the masks that ``key`` names, if something does."""
    memory = _ACTIVE.get()
    if memory is None or memory.model is not model:
        return None
    return Recollection(memory, key, inputs)
