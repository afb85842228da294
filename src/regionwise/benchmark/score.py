"""Scoring a chunk: explain all images by all methods at once, then ask every metric.

The same function runs in this process and in workers elsewhere. What it returns depends on the
chunk, the data and the weights only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from regionwise.attribution.explain import explain, explain_all
from regionwise.attribution.recipe import Recipe
from regionwise.attribution.result import Attribution
from regionwise.benchmark.blocks import ERROR, Block, Key, Who, blocks_of
from regionwise.benchmark.context import Context
from regionwise.benchmark.digests import digest
from regionwise.benchmark.foreign import opened as opened_methods
from regionwise.benchmark.loaded import Batch, Opened, batch_of, open_units
from regionwise.benchmark.plan import Chunk, protocol_of
from regionwise.errors import RegionwiseError
from regionwise.evidence.remembering import remembering
from regionwise.evidence.room import out_of_memory
from regionwise.metrics.case import Case
from regionwise.metrics.catalog import metrics as known_metrics
from regionwise.metrics.recipe import Metric

_TWO = frozenset({"second", "second_maps", "second_targets"})


@dataclass(frozen=True, eq=False)
class _Job:
    """What stays the same for all images of a chunk."""

    chunk: Chunk
    context: Context
    metrics: tuple[Metric, ...]
    recipes: Mapping[str, Recipe]

    @property
    def two(self) -> bool:
        return any(metric.card.needs & _TWO for metric in self.metrics)

    def key(self, method: str, metric: Metric | None, judge: str = "") -> Key:
        """Return what the rows of a method and a metric have in common."""
        chunk, context = self.chunk, self.context
        protocol = "" if metric is None else digest(protocol_of(metric, chunk.target), 8)
        name = "" if metric is None else metric.id
        weights = context.hash(chunk.model)
        return Key(chunk.model, weights, method, name, protocol, judge, context.seed)


def score_chunk(chunk: Chunk, context: Context) -> list[Block]:
    """Return the rows of a chunk, in blocks.

    A picture that cannot be read, or that a method or metric cannot deal with, gives a row with
    the error; the others are scored as if it were not there. If memory does not suffice, half as
    many images are taken at a time, in the chunks that follow too.

    Raises:
        RegionwiseError: the model, or a method that is not ours, cannot be loaded.
    """
    context.model(chunk.model)
    metrics = tuple(known_metrics.parse(text) for text in chunk.metrics)
    job = _Job(chunk, context, metrics, opened_methods(chunk.methods, chunk.sources))
    opened, failed = open_units(chunk, context)
    room = context.room((chunk.model, chunk.methods, chunk.metrics))
    try:
        parts = room.over(
            len(opened),
            lambda part: list(_attempted(job, opened[part], chunk.methods)),
            context.clear,
        )
    finally:
        context.forget()
    blocks = [block for part in parts for block in part]
    for unit, reason in failed:
        who = Who((unit.image,), (-1,), (unit.against,))
        blocks += [_error(job.key(method, None), who, reason) for method in chunk.methods]
    return blocks


def _attempted(job: _Job, opened: Sequence[Opened], methods: tuple[str, ...]) -> Iterator[Block]:
    """Score a batch; if it cannot be explained, halves of it, and at last method by method.

    Raises:
        RuntimeError, MemoryError: memory does not suffice for all of its images.
    """
    try:
        batch = batch_of(opened, job.chunk, job.context, two=job.two)
        found = list(_scored(job, batch, methods))
    except (RegionwiseError, RuntimeError, MemoryError) as error:
        full = out_of_memory(error)
        if not isinstance(error, RegionwiseError) and (not full or len(opened) > 1):
            raise
        reason = str(error) or "memory does not suffice for one image"
    else:
        yield from found
        return
    # behind the handler, where the error does not hold any more what did not fit
    drop = job.context.clear if full else job.context.forget
    drop()
    if len(opened) == 1 and len(methods) == 1:
        yield from _given_up(job, opened[0], methods[0], reason)
        return
    for images, names in _halves(opened, methods):
        yield from _attempted(job, images, names)


def _given_up(job: _Job, opened: Opened, method: str, reason: str) -> Iterator[Block]:
    """Note an error; if it goes away without a second class, of the metrics that ask for one."""
    who = Who((opened.unit.image,), (-1,), (opened.unit.against,))
    two = [metric for metric in job.metrics if metric.card.needs & _TWO]
    others = tuple(metric for metric in job.metrics if metric not in two)
    if two and others and opened.unit.against < 0:
        alone = list(_attempted(replace(job, metrics=others), [opened], (method,)))
        if all(block.key.metric for block in alone):
            yield from (_error(job.key(method, metric), who, reason) for metric in two)
            yield from alone
            return
    yield _error(job.key(method, None), who, reason)


def _halves(
    opened: Sequence[Opened], methods: tuple[str, ...]
) -> Iterable[tuple[Sequence[Opened], tuple[str, ...]]]:
    if len(opened) > 1:
        middle = len(opened) // 2
        return [(opened[:middle], methods), (opened[middle:], methods)]
    return [(opened, (method,)) for method in methods]


def _scored(job: _Job, batch: Batch, methods: tuple[str, ...]) -> Iterator[Block]:
    classifier = job.context.model(job.chunk.model)
    recipes = {name: job.recipes[name].about(batch.who.images) for name in methods}
    asked = [batch.targets] if batch.second is None else [batch.targets, batch.second]
    targets = torch.stack(asked, dim=1)
    with remembering(job.context.memory(job.chunk.model)):
        answers = explain_all(classifier, batch.inputs, list(recipes.values()), targets)
    for method, attribution in answers.items():
        for judge in job.context.judges:
            case = _case(job, batch, recipes[method], attribution, judge)
            for metric in job.metrics:
                asks = "judge" in metric.card.needs
                if not asks and judge != job.context.judges[0]:
                    continue
                if metric.card.needs & recipes[method].origin.lacks.keys():
                    continue
                key = job.key(method, metric, judge if asks else "")
                yield from _measured(key, metric, case, batch.who)


def _measured(key: Key, metric: Metric, case: Case, who: Who) -> Iterator[Block]:
    """Ask a metric; if it cannot answer, ask it of every image by itself."""
    try:
        yield from blocks_of(key, who, metric(case))
    except RegionwiseError as error:
        if len(case) == 1:
            yield _error(key, who, str(error))
            return
        for index in range(len(case)):
            alone = Who(who.images[index:][:1], who.targets[index:][:1], who.against[index:][:1])
            yield from _measured(key, metric, _one(case, index), alone)


def _case(job: _Job, batch: Batch, recipe: Recipe, attribution: Attribution, judge: str) -> Case:
    classifier = job.context.model(job.chunk.model)
    saliency = attribution.saliency().detach()
    two = batch.second is not None

    def again(inputs: Tensor, targets: Tensor) -> Tensor:
        return explain(classifier, inputs, recipe, targets).saliency()[:, 0].detach()

    def on_model(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
        other = replace(classifier, module=model)
        return explain(other, inputs, recipe, targets).maps[:, 0].detach()

    return Case(
        inputs=batch.inputs,
        saliency=saliency[:, 0],
        targets=batch.targets,
        maps=attribution.maps[:, 0],
        labels=batch.labels,
        judge=job.context.judge(judge, job.chunk.model),
        truth=batch.truth,
        again=again,
        second=saliency[:, 1] if two else None,
        second_maps=attribution.maps[:, 1] if two else None,
        second_targets=batch.second,
        model=classifier.module,
        on_model=on_model,
        flags=tuple(reasons[0] for reasons in attribution.flags),
    )


def _one(case: Case, index: int) -> Case:
    """Return the case of one image."""
    here = slice(index, index + 1)
    names = ("inputs", "saliency", "targets", "maps", "labels", "flags")
    more = ("second", "second_maps", "second_targets")
    parts: dict[str, Any] = {name: _cut(getattr(case, name), here) for name in (*names, *more)}
    truth = case.truth
    if truth is not None:
        fields = ("regions", "ignore", "boxes", "parts", "segments", "differing")
        known: dict[str, Any] = {name: _cut(getattr(truth, name), here) for name in fields}
        edited = truth.edited
        if edited is not None:
            known["edited"] = lambda: edited()[here]
        truth = replace(truth, **known)
    return replace(case, truth=truth, **parts)


def _cut(values: Any, here: slice) -> Any:
    return None if values is None else values[here]


def _error(key: Key, who: Who, reason: str) -> Block:
    text = " ".join(reason.split())
    return Block(key, who, ERROR, (np.nan,), np.full((len(who.images), 1), np.nan), None, text)
