"""Logits of one batch under masks: each mask is scored once, whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regionwise.evidence.digest import digest
from regionwise.evidence.forward import Watched
from regionwise.evidence.remembering import recall_for
from regionwise.evidence.scoring import (
    Gate,
    MaskSource,
    Scorer,
    score_channel_masks,
    score_masks,
)
from regionwise.shapes import Activations, ChannelLogits, Inputs, Logits


class MaskedLogits:
    """What a network says of the images of a batch under masks.

    Args:
        at: what runs the network, and the layer that is explained.
        inputs: n c h w.
        activations: of the layer, n k i j.
        way: tells apart what was scored in other numbers.
    """

    def __init__(
        self,
        at: Watched,
        inputs: Inputs,
        activations: Activations,
        way: Hashable,
    ) -> None:
        self._at, self._engine = at, at.engine
        self._inputs = inputs
        self._activations = activations
        self._way = way
        self._stores: dict[Hashable, _Store] = {}
        self._found: dict[Hashable, Tensor] = {}

    def of_channels(
        self, key: Hashable, gate: Gate, chunk: int | None, channels: Int[Tensor, "n b"] | None
    ) -> ChannelLogits:
        """Return the logits under the masks of channels, n b y, all of them by default.

        What was scored for another question under this key is not scored again.
        """
        count = self._activations.shape[1]
        every = torch.arange(count, device=self._activations.device)
        asked = channels if channels is not None else every.expand(len(self._inputs), -1)
        store = self._stores.setdefault(key, _Store(len(self._inputs), count, asked.device))
        name = (key, self._at.layer, self._way)
        model, inputs = self._engine.model, self._inputs
        recall = recall_for(model, name, inputs)
        if channels is not None and recall is not None:
            for index in range(len(inputs)):
                store.put(index, every, recall.get(index))
            # a part is remembered under a name of its own
            recall = recall_for(model, (*name, digest(channels)), inputs)
        missing = [own[~known[own]] for own, known in zip(asked, store.known, strict=True)]
        whole = all(len(rest) == len(own) for rest, own in zip(missing, asked, strict=True))
        found = score_channel_masks(
            self._scorer(chunk),
            self._activations,
            gate,
            missing,
            recall=recall if whole else None,
            blank=lambda: self.of_constant(0.0),
        )
        for index, rows in enumerate(found):
            store.put(index, missing[index], rows)
        return store.rows(asked)

    def under(
        self,
        key: Hashable,
        masks: MaskSource,
        count: int,
        *,
        fill: Float[Tensor, "n c h w"] | float = 0.0,
        chunk: int | None = None,
        fixed: bool = False,
    ) -> ChannelLogits:
        """Return the logits under ``count`` masks, n m y; ``fixed``: the same for any picture."""
        recall = None
        if fixed:
            recall = recall_for(self._engine.model, (key, self._way), self._inputs)
        return self._once(
            ("masks", key),
            lambda: score_masks(self._scorer(chunk), masks, count, fill=fill, recall=recall),
        )

    def of_constant(self, fill: float) -> Logits:
        """Return the logits 1 y of an image that is ``fill`` everywhere."""
        plain = torch.full_like(self._inputs[:1], fill)
        return self._once(("constant", fill), lambda: self.of(plain))

    def of(self, inputs: Inputs) -> Logits:
        """Return the logits of other inputs as they are."""
        scorer, engine = self._scorer(None), self._engine
        return torch.cat(
            engine.pace.over(
                len(inputs), inputs, lambda part: scorer.logits(engine.feed(inputs[part]))
            )
        )

    def _scorer(self, chunk: int | None) -> Scorer:
        return Scorer(self._engine, self._at.module, self._inputs, chunk)

    def _once(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        if key not in self._found:
            self._found[key] = compute()
        return self._found[key]


class _Store:
    """The logits of channels that are known so far, for each image."""

    def __init__(self, images: int, channels: int, device: torch.device) -> None:
        self.known = torch.zeros(images, channels, dtype=torch.bool, device=device)
        self._logits: Tensor | None = None

    def put(self, index: int, channels: Tensor, rows: Tensor | None) -> None:
        """Keep the logits b y of some channels of an image, if there are any."""
        if rows is None or not len(channels):
            return
        if self._logits is None:
            self._logits = rows.new_zeros(*self.known.shape, rows.shape[1])
        self._logits[index, channels] = rows
        self.known[index, channels] = True

    def rows(self, asked: Int[Tensor, "n b"]) -> ChannelLogits:
        """Return the logits of channels that are known, n b y."""
        if self._logits is None:
            raise LookupError("no channel was scored")
        every = torch.arange(len(asked), device=asked.device)[:, None]
        rows: Tensor = self._logits[every, asked]
        return rows
