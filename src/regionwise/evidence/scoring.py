"""Scoring masked images in chunks: many masks, one network, memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from regionwise.evidence.checks import as_logits
from regionwise.evidence.distinct import Distinct, distinct_channels
from regionwise.evidence.engine import Engine
from regionwise.evidence.masking import masked_into
from regionwise.shapes import Activations, Inputs, Logits

Gate: TypeAlias = Callable[[Tensor], Tensor]
"""Turns some channels ``1 k i j`` of an image's activations into masks ``1 k h w``."""

MaskSource: TypeAlias = Callable[[int, slice], Tensor]
"""Gives the masks of a slice for one image, m h w."""


CHUNK: Final = 16
"""Items that are worked on together where no network is asked, and images where one is but once."""


def chunks(count: int, chunk: int) -> Iterator[slice]:
    """Cut ``count`` items into consecutive slices of at most ``chunk``."""
    for start in range(0, count, chunk):
        yield slice(start, min(start + chunk, count))


@runtime_checkable
class Recall(Protocol):
    """Logits of pictures under masks, by their place in the batch, from one call to the next."""

    def get(self, index: int) -> Tensor | None:
        """Return the logits m y of a picture, if they are known."""

    def put(self, index: int, logits: Tensor) -> None:
        """Keep the logits m y of a picture."""


class Forgetful:
    """Keeps nothing."""

    def get(self, index: int) -> Tensor | None:  # noqa: ARG002 - the protocol's
        """Know nothing."""
        return None

    def put(self, index: int, logits: Tensor) -> None:
        """Forget at once."""


@dataclass(frozen=True, eq=False)
class Scorer:
    """Runs masked images through a network.

    Attributes:
        engine: runs the network.
        layer: from where on it runs in single precision.
        inputs: the images, n c h w.
        chunk: masked images per forward pass; ``None`` leaves it to the engine.
    """

    engine: Engine
    layer: nn.Module
    inputs: Inputs
    chunk: int | None = None

    def logits(self, fed: Inputs) -> Logits:
        """Return the network's answer to images, which it may work on in place."""
        engine = self.engine
        with torch.no_grad(), engine.running():
            if engine.way.coarse is None:
                answer = engine.quick(fed, engine.model, engine.model)
            else:
                answer = engine.quick(fed, None, self._coarse)
        return as_logits(answer, len(fed)).detach()

    def _coarse(self, fed: Inputs) -> Any:
        """Run the network in coarse numbers up to the layer."""
        with self.engine.passing(self.layer) as change:
            handle = self.layer.register_forward_hook(lambda _, __, output: change(output))
            try:
                return self.engine.model(fed)
            finally:
                handle.remove()

    def under(
        self,
        masks: MaskSource,
        counts: Sequence[int],
        *,
        fill: Float[Tensor, "n c h w"] | float = 0.0,
        skip: frozenset[int] = frozenset(),
    ) -> dict[int, Float[Tensor, "m y"]]:
        """Return each image's logits under as many masks as it has, but for those to skip.

        The masks of a chunk are made when they are needed and forgotten after it: memory grows with
        the chunk, not with the number of masks. Images with few masks share a pass. ``fill``
        replaces what is removed.
        """
        wanted = [index for index in range(len(self.inputs)) if index not in skip]
        chunk = self.engine.pace.chunk(self.inputs, self.chunk)
        few = 2 * max((counts[index] for index in wanted), default=0) <= chunk
        found: dict[int, Tensor] = {}
        with self.engine.running():
            for group in [wanted] if few else [[index] for index in wanted]:
                jobs = [(index, number) for index in group for number in range(counts[index])]
                if jobs:
                    rows = self._run(masks, jobs, fill)
                    parts: Any = torch.split(rows, [counts[index] for index in group])
                    found |= zip(group, parts, strict=True)
        return found

    def _run(
        self, masks: MaskSource, jobs: Sequence[tuple[int, int]], fill: Tensor | float
    ) -> Tensor:
        """Return the logits of masked images, one for each pair of image and mask."""

        def run(part: slice) -> Tensor:
            fed = self.engine.empty(part.stop - part.start, self.inputs)
            for place, index, own in _runs(jobs[part]):
                instead = fill[index] if isinstance(fill, Tensor) else fill
                masked_into(fed[place], self.inputs[index], masks(index, own), instead)
            return self.logits(fed)

        return torch.cat(self.engine.pace.over(len(jobs), self.inputs, run, asked=self.chunk))


def score_masks(
    scorer: Scorer,
    masks: MaskSource,
    count: int,
    *,
    fill: Float[Tensor, "n c h w"] | float = 0.0,
    recall: Recall | None = None,
) -> Float[Tensor, "n m y"]:
    """Return the logits of each image under each of ``count`` masks, n m y."""
    kept = recall or Forgetful()
    images = range(len(scorer.inputs))
    known = {index: row for index in images if (row := kept.get(index)) is not None}
    new = scorer.under(masks, [count] * len(images), fill=fill, skip=frozenset(known))
    for index, row in new.items():
        kept.put(index, row)
    return torch.stack([known[i] if i in known else new[i] for i in images])


def score_channel_masks(
    scorer: Scorer,
    activations: Activations,
    gate: Gate,
    channels: Sequence[Int[Tensor, " _"]],
    *,
    recall: Recall | None = None,
    blank: Callable[[], Logits] | None = None,
) -> list[Float[Tensor, "_ _"]]:
    """Return each image's logits b y under the masks that ``gate`` makes of some of its channels.

    Equal channels make equal masks and are scored once. A mask that keeps nothing is not scored if
    ``blank`` gives the logits 1 y of the empty image.

    Args:
        scorer: runs the masked images.
        activations: n k i j.
        gate: from channels to masks.
        channels: their numbers, for each image.
        recall: knows logits from calls before.
        blank: gives the logits of an image of which nothing is kept.
    """
    kept = recall or Forgetful()
    images = range(len(activations))
    known = {index: row for index in images if (row := kept.get(index)) is not None}
    tried = gate if blank is not None else None
    plans: dict[int, Distinct] = {
        index: distinct_channels(activations[index], tried, channels[index])
        for index in images
        if index not in known and len(channels[index])
    }

    def masks(index: int, part: slice) -> Tensor:
        return gate(activations[index : index + 1, plans[index].scored[part]])[0]

    counts = [len(plans[index].scored) if index in plans else 0 for index in images]
    new = scorer.under(masks, counts, skip=frozenset(images) - frozenset(plans))
    for index, plan in plans.items():
        empty = blank() if blank is not None and plan.blank.any() else None
        known[index] = plan.spread(new.get(index), empty)
        kept.put(index, known[index])
    return [known.get(index, activations.new_zeros(0, 0)) for index in images]


def _runs(jobs: Sequence[tuple[int, int]]) -> Iterator[tuple[slice, int, slice]]:
    """Yield the stretches of one image among jobs: their place, the image, and which masks."""
    start = 0
    for index, group in groupby(jobs, key=lambda job: job[0]):
        numbers = [number for _, number in group]
        yield slice(start, start + len(numbers)), index, slice(numbers[0], numbers[-1] + 1)
        start += len(numbers)
