"""The images of a chunk as the model sees them, with the classes to explain and what is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from regionwise.benchmark.blocks import Who
from regionwise.benchmark.context import Context
from regionwise.benchmark.plan import Chunk, Unit
from regionwise.benchmark.recipe import OWN
from regionwise.benchmark.truth import Known, cue_of, known_of, truth_of
from regionwise.data.images import open_image
from regionwise.errors import InputError, RegionwiseError
from regionwise.evidence.digest import digest
from regionwise.metrics.case import Truth
from regionwise.models.preprocessing import Preprocessing


@dataclass(frozen=True, eq=False)
class Opened:
    """One picture, read: what the model sees (c h w), and what is known of it."""

    unit: Unit
    inputs: Tensor
    known: Known
    label: int


@dataclass(frozen=True, eq=False)
class Batch:
    """Pictures that are explained together.

    Attributes:
        opened: the pictures.
        inputs: n c h w.
        targets: the classes to explain, n.
        second: the other classes, n; ``None`` where no metric asks for them.
        labels: the true classes as the model counts them, n; ``None`` where it has others.
        truth: what is known of them.
    """

    opened: tuple[Opened, ...]
    inputs: Tensor
    targets: Tensor
    second: Tensor | None
    labels: Tensor | None
    truth: Truth

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.opened)

    @property
    def who(self) -> Who:
        """Which images these are."""
        return Who(
            tuple(one.unit.image for one in self.opened),
            tuple(self.targets.tolist()),
            tuple(one.unit.against for one in self.opened),
        )


def open_units(chunk: Chunk, context: Context) -> tuple[list[Opened], list[tuple[Unit, str]]]:
    """Read the pictures of a chunk; return those, and what could not be read with the reason."""
    opened: list[Opened] = []
    failed: list[tuple[Unit, str]] = []
    for unit in chunk.units:
        try:
            opened.append(_opened(unit, chunk, context))
        except RegionwiseError as error:
            failed.append((unit, str(error)))
    return opened, failed


def batch_of(opened: Sequence[Opened], chunk: Chunk, context: Context, *, two: bool) -> Batch:
    """Put pictures together and choose the classes to explain; ``two``: a second one of each.

    Raises:
        InputError: the label is to be explained, and the model has other classes.
    """
    inputs = torch.stack([one.inputs for one in opened])
    judge = context.judge(OWN, chunk.model)
    logits = judge.under(digest(inputs), lambda: inputs)
    classes = context.classes(chunk.model, logits.shape[1])
    labels = None
    if classes is not None:
        labels = torch.tensor([classes[one.label] for one in opened], device=logits.device)
    if chunk.target == "predicted":
        targets = logits.argmax(dim=1)
    elif labels is None:
        raise InputError(f"{chunk.model!r} has other classes than the data, so no label to explain")
    else:
        targets = labels
    second = None
    if chunk.target == "pairs" and classes is not None:
        other = [classes[one.unit.against] for one in opened]
        second = torch.tensor(other, device=logits.device)
    elif two:
        rest = logits.scatter(1, targets[:, None], -torch.inf)
        second = rest.argmax(dim=1)
    how = context.model(chunk.model).preprocessing
    known, named = [one.known for one in opened], context.data.segment_names
    truth = truth_of(known, how, context.device, named)
    if chunk.target == "pairs":
        truth = replace(truth, differing=torch.tensor([len(o.unit.differing) for o in opened]))
    return Batch(tuple(opened), inputs, targets, second, labels, truth)


def _opened(unit: Unit, chunk: Chunk, context: Context) -> Opened:
    picture, how = context.data.picture(unit.image), preprocessing_of(context, chunk.model)
    image = open_image(picture.path)
    known = known_of(how, picture, image.size, context.data.scenes.get(unit.image))
    if unit.against >= 0:
        region = cue_of(how, picture, image.size, unit.differing)
        known = replace(known, region=region)
    return Opened(unit, how(image)[0].to(context.device), known, picture.label)


def preprocessing_of(context: Context, source: str) -> Preprocessing:
    """Return how a model wants its pictures.

    Raises:
        InputError: it does not say.
    """
    how = context.model(source).preprocessing
    if how is None:
        raise InputError(
            f"{source!r} brings no preprocessing, so pictures cannot be turned into its inputs; let"
            " its factory return a regionwise.Classifier(module, Preprocessing(...))"
        )
    return how
