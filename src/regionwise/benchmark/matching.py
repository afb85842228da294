"""Judges at matched confidence: a network's logits are divided by one temperature.

Drops and increases are shares of a confidence. Of two networks the one that is surer of itself
loses more by the same mask, so that methods which own their network cannot be compared by it. The
judge ``matched:0.9`` is the network itself with logits divided by T, chosen for each network so
that its largest probability is 0.9 on average over a sample; ``matched:SOURCE`` takes the mean of
another network instead of 0.9. Which class is the largest does not change.

Networks that answer with log p(y | x), as CAPE and CALM do, become p(y | x)^(1/T), normalised.

The sample is the first 500 pictures in the order of the benchmark's seed, however many are scored.

Reference: Guo, Pleiss, Sun and Weinberger 2017, On Calibration of Modern Neural Networks, for the
temperature; they fit it to labels, here it is matched to a confidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from regionwise.benchmark.samples import BenchmarkData, in_order
from regionwise.data.images import open_image
from regionwise.errors import InputError, RegionwiseError, SettingError
from regionwise.metrics.judge import Judge
from regionwise.shapes import Logits

SAMPLE: Final = 500
"""Pictures over which confidence is matched, at most."""

_LIMITS: Final = (1e-4, 1e4)
_STEPS: Final = 100
_CHUNK: Final = 16


@dataclass(frozen=True)
class Matched:
    """How one network was matched.

    Attributes:
        temperature: what its logits are divided by.
        confidence: its mean largest probability before.
        reference: the one that is wanted.
        pictures: over how many.
    """

    temperature: float
    confidence: float
    reference: float
    pictures: int


def mean_confidence(logits: Logits, temperature: float = 1.0) -> float:
    """Return the mean over images of the largest probability, with logits divided by T."""
    return float((logits.double() / temperature).softmax(dim=1).amax(dim=1).mean())


def temperature_for(logits: Logits, reference: float) -> float:
    """Return T at which the mean confidence is the reference, to six digits.

    It falls as T rises, so that T is found by bisection of log T.

    Raises:
        SettingError: no temperature between 0.0001 and 10000 gives this confidence.
    """
    low, high = (mean_confidence(logits, limit) for limit in reversed(_LIMITS))
    if not low < reference < high:
        raise SettingError(
            f"a confidence of {reference:.4g} cannot be matched: with {logits.shape[1]} classes it"
            f" lies between {low:.4g} and {high:.4g} here"
        )
    below, above = (math.log(limit) for limit in _LIMITS)
    for _ in range(_STEPS):
        middle = (below + above) / 2
        if mean_confidence(logits, math.exp(middle)) > reference:
            below = middle
        else:
            above = middle
    return float(f"{math.exp((below + above) / 2):.6g}")


def sample_logits(judge: Judge, data: BenchmarkData, seed: int) -> Logits:
    """Return a network's logits of the sample; pictures that cannot be read are left out.

    Raises:
        InputError: the network does not say how pictures become inputs, or none can be read.
    """
    how, source = judge.classifier.preprocessing, judge.classifier.source
    if how is None:
        raise InputError(f"{source!r} brings no preprocessing, so no confidence can be matched")
    ordered = in_order(data.pictures, [p.name for p in data.pictures], seed)
    inputs: list[Tensor] = []
    found: list[Tensor] = []
    for picture in ordered[:SAMPLE]:
        try:
            inputs.append(how(open_image(picture.path))[0])
        except RegionwiseError:
            continue  # the run says so
        if len(inputs) == _CHUNK:
            found.append(judge.logits(torch.stack(inputs)))
            inputs = []
    if inputs:
        found.append(judge.logits(torch.stack(inputs)))
    if not found:
        raise InputError("none of the pictures can be read, so no confidence can be matched")
    return torch.cat(found)
