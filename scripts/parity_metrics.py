"""What the rows of metrics in docs/parity.md are made of: pictures, maps, cases, verdicts.

The rows themselves are in ``parity_peers.py``, ``parity_others.py``,
``parity_quantus.py`` and ``parity_quantus_trust.py``; ``parity.py`` writes them.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

import regionwise
from regionwise.attribution.scaling import saliency_of
from regionwise.data.birds import render, sample_scene, species
from regionwise.metrics.case import Case, Truth
from regionwise.metrics.catalog import metrics
from regionwise.metrics.judge import Judge
from regionwise.metrics.recipe import Metric, Values
from regionwise.models.classifier import Classifier
from regionwise.zoo import load_model

BIRDS, SEED, MODEL = 4, 11, "birds-1"
MAPS, DENSE = "grad-cam", "gradient"
"""What is scored; of the second one's maps hardly any two pixels are equal."""

SAME = 1e-6
"""Up to which difference two numbers are called the same: single precision, and its sums."""


@dataclass(frozen=True, eq=False)
class Row:
    """A metric of ours beside a peer's.

    Attributes:
        metric: ours, with its settings; behind a semicolon what was made of it.
        peer: the library.
        name: the peer's metric, with its settings.
        maps: what was scored.
        ours: our numbers, by picture.
        theirs: the peer's, or the error with which it ended.
        reason: why they differ.
    """

    metric: str
    peer: str
    name: str
    maps: str
    ours: np.ndarray
    theirs: np.ndarray | Exception
    reason: str = ""

    @property
    def difference(self) -> float:
        """The largest difference, relative to the peer's largest number.

        Infinite where only one of the two is defined.
        """
        if isinstance(self.theirs, Exception):
            return float("inf")
        ours, theirs = (np.asarray(v, dtype=float) for v in (self.ours, self.theirs))
        if ours.shape != theirs.shape:
            raise ValueError(f"{self.metric}, {self.name}: {ours.shape} beside {theirs.shape}")
        if (np.isfinite(ours) != np.isfinite(theirs)).any():
            return float("inf")
        known = np.isfinite(theirs)
        largest = np.abs(theirs[known]).max(initial=0) or 1.0
        return float(np.abs(ours - theirs)[known].max(initial=0) / largest)

    @property
    def verdict(self) -> str:
        """Say whether they agree, and if not, why."""
        if isinstance(self.theirs, Exception):
            error = f"`{type(self.theirs).__name__}: {self.theirs}`"
            return f"theirs fails: {error}; {self.reason or 'unexplained'}"
        if self.difference <= SAME:
            return "same"
        return f"differs: {self.reason or 'unexplained'}"

    def __str__(self) -> str:
        """Return a line of the table."""
        numbers = f"{shown(self.ours)} | {shown(self.theirs)}"
        difference = "-" if np.isinf(self.difference) else f"{self.difference:.1e}"
        metric, *notes = self.metric.split("; ")
        ours = ", ".join((f"`{metric}`", *notes))
        return (
            f"| {ours} | {self.peer} | {self.name} | {self.maps} | {numbers} | {difference} |"
            f" {self.verdict} |"
        )


def shown(numbers: np.ndarray | Exception) -> str:
    """Return the mean of the numbers that are defined, and how many are not."""
    if isinstance(numbers, Exception):
        return "-"
    values = np.asarray(numbers, dtype=float)
    known = values[np.isfinite(values)]
    missing = values.size - known.size
    mean = f"{known.mean():.6g}" if known.size else "-"
    return f"{mean} ({missing} of {values.size} undefined)" if missing else mean


def attempted(call: Callable[[], np.ndarray]) -> np.ndarray | Exception:
    """Return what a peer answers, or the error with which it ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return np.asarray(call(), dtype=float)
        except Exception as error:  # noqa: BLE001 - what it is goes into the table
            return error


class Fed(nn.Module):
    """A network in double precision, for peers that feed single precision, or one channel."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the logits of n 3 h w, or of n 1 h w, seen in all three channels."""
        return self.net(inputs.double().expand(-1, 3, -1, -1))


@dataclass(frozen=True, eq=False)
class Birds:
    """Rendered birds, a network in double precision, and its maps.

    Attributes:
        classifier: the network and its preprocessing.
        inputs: n c h w; every value is one of single precision, for peers that round to it.
        targets: the classes explained, the predicted ones.
        parts: CUB's part of each pixel, 0 where there is no bird.
    """

    classifier: Classifier
    inputs: Tensor
    targets: Tensor
    parts: Tensor

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.inputs)

    @cached_property
    def regions(self) -> Tensor:
        """Where the bird is, n h w."""
        return self.parts > 0

    @cached_property
    def boxes(self) -> tuple[Tensor, ...]:
        """The smallest box around each bird, if there is one: left, top, right, bottom."""
        found = []
        for region in self.regions:
            rows, columns = (region.any(dim=axis).nonzero()[:, 0].tolist() for axis in (1, 0))
            ends = [(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)] if rows else []
            found.append(torch.tensor(ends, dtype=torch.int64).reshape(-1, 4))
        return tuple(found)

    @cached_property
    def boxed(self) -> Tensor:
        """The boxes as masks, n h w."""
        masks = torch.zeros_like(self.regions)
        for mask, box in zip(masks, self.boxes, strict=True):
            left, top, right, bottom = box[0].tolist()
            mask[top:bottom, left:right] = True
        return masks

    def first(self, count: int) -> Birds:
        """Return the first pictures alone."""
        cut = (self.inputs[:count], self.targets[:count], self.parts[:count])
        return Birds(self.classifier, *cut)

    def cut(self, side: int) -> Birds:
        """Return the middle of the pictures."""
        edge = (self.inputs.shape[2] - side) // 2
        inside = slice(edge, edge + side)
        inputs, parts = self.inputs[:, :, inside, inside], self.parts[:, inside, inside]
        return Birds(self.classifier, inputs, self.targets, parts)

    def only(self, part: int) -> Birds:
        """Return the same pictures with one part of the bird for the region."""
        return replace(self, parts=self.parts * (self.parts == part))

    def grey(self) -> Birds:
        """Return the pictures in one channel, for a network that takes one."""
        grey = self.inputs.mean(dim=1, keepdim=True).float().double()
        net = Fed(self.classifier.module).eval()
        layer = f"net.{self.classifier.layer}"
        classifier = replace(self.classifier, module=net, preprocessing=None, layer=layer)
        with torch.no_grad():
            return Birds(classifier, grey, net(grey).argmax(dim=1), self.parts)

    def raw(self, method: str) -> Tensor:
        """Return a method's raw maps, n i j."""
        found = regionwise.explain(self.classifier, self.inputs, method, self.targets)
        return found.maps[:, 0].detach()

    def saliency(self, method: str) -> Tensor:
        """Return a method's maps in [0, 1] at the size of the pictures, n h w."""
        return saliency_of(self.raw(method)[:, None], tuple(self.inputs.shape[2:]))[:, 0]

    def case(self, saliency: Tensor, **given) -> Case:
        """Return a case of these pictures and maps."""
        own = {
            "judge": Judge(self.classifier),
            "labels": self.targets,
            "truth": Truth(regions=self.regions, boxes=self.boxes),
        }
        return Case(inputs=self.inputs, saliency=saliency, targets=self.targets, **{**own, **given})

    def measured(self, metric: str, saliency: Tensor, **given) -> Values:
        """Return what a metric of ours says of each picture."""
        return recipe(metric)(self.case(saliency, **given))


def recipe(metric: str) -> Metric:
    """Return a metric by its name and settings."""
    return metrics.parse(metric)


def numbers(values: Tensor) -> np.ndarray:
    """Return a tensor as an array of double precision."""
    return values.detach().double().numpy()


def birds(count: int = BIRDS) -> Birds:
    """Return seeded birds of as many classes, and the shipped network."""
    kinds = species(24)
    drawn = [render(sample_scene(kinds[n % 24], n // 24, seed=SEED)) for n in range(count)]
    loaded = load_model(MODEL)
    inputs = loaded.preprocessing([Image.fromarray(one.image) for one in drawn]).double()
    module = loaded.module.double().eval()
    classifier = replace(loaded, module=module)
    parts = torch.from_numpy(np.stack([one.part_mask for one in drawn]))
    with torch.no_grad():
        return Birds(classifier, inputs, module(inputs).argmax(dim=1), parts)
