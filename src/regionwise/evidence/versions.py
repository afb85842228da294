"""Evidence of versions of one batch, such as noisy copies or points on a path, many to a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeAlias

import torch
from torch import Tensor

from regionwise.evidence.probe import Probe
from regionwise.evidence.targets import Targets, TargetSpec, Versus
from regionwise.shapes import Inputs

Ask: TypeAlias = Callable[[Probe], tuple[Tensor, ...]]
"""Gets evidence from a probe; the first axis of each tensor is its images."""


def each_version(
    probe: Probe, versions: Iterable[Inputs], needs: frozenset[str], ask: Ask
) -> Iterator[tuple[Tensor, ...]]:
    """Yield what ``ask`` gets from a probe of each version of the batch, in their order.

    Versions of a small batch share a pass, and a large batch is cut, so that as many images run
    together as suits the machine; memory grows with no more. Each version has one pass of its own
    where a batch is looked at as a whole: by a score function, by statistics of the batch.

    Args:
        probe: of the batch itself; its targets and layer are asked about.
        versions: other inputs, each of the batch's shape; made when they are needed.
        needs: what is asked of them.
        ask: gets it.
    """
    size, like = len(probe.inputs), probe.inputs
    whole = probe.create_graph or probe.targets.function is not None or probe.engine.couples
    pace, waiting = probe.engine.pace, iter(versions)
    count = 1 if whole else max(1, pace.chunk(like) // size)
    while group := list(islice(waiting, count)):
        inputs = group[0] if len(group) == 1 else torch.cat(group)

        def run(part: slice, inputs: Inputs = inputs) -> tuple[Tensor, ...]:
            targets = targets_of(probe.targets, part, size)
            with probe.again(inputs[part], needs, targets) as other:
                return ask(other)

        everything = slice(0, len(inputs))
        parts = [run(everything)] if whole else pace.over(len(inputs), like, run)
        found = parts[0] if len(parts) == 1 else [torch.cat(p) for p in zip(*parts, strict=True)]
        yield from zip(*(torch.split(one, size) for one in found), strict=True)


def targets_of(targets: Targets, part: slice, size: int) -> TargetSpec:
    """Return what asks the same of some images of batches of ``size`` laid behind each other."""
    images = torch.arange(part.start, part.stop) % size
    if targets.pair is not None:
        first, second = (classes[images.to(classes.device)] for classes in targets.pair)
        return Versus(first, second)
    indices = targets.indices
    return targets.function if indices is None else indices[images.to(indices.device)]
