"""The work behind ``regionwise methods --on MODEL``: what applies, what coincides, what it costs.

Methods are compared on two inputs, seeded noise and a rendered bird: they coincide if their maps
agree up to a positive factor on both, and *where positive* if that holds once negative values are
cut, as Grad-CAM cuts them and CAM does not. Methods that run the network dozens of times are not
run, unless everything is to be measured: of these it is not said whether they apply.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from PIL import Image
from torch import Tensor

from regionwise.attribution.catalog import methods
from regionwise.attribution.explain import explain
from regionwise.data.birds import render, sample_scene, species
from regionwise.errors import RegionwiseError
from regionwise.evidence.needs import MASKED_SCORES, TAIL
from regionwise.evidence.probe import Probe
from regionwise.models.classifier import Classifier
from regionwise.registry import Card
from regionwise.shapes import Inputs, Maps
from regionwise.zoo import load_model

_FEW: Final = 10
"""Methods with more forward passes than this are not measured unless that is asked for."""

_ALIKE: Final = 1e-3
"""Largest difference of two maps scaled to a maximum of one that still counts as none."""


@dataclass(frozen=True)
class _Verdict:
    """Whether a method applies, why not, and its maps where they were measured."""

    card: Card
    refusal: str = ""
    maps: Tensor | None = None

    @property
    def left_out(self) -> bool:
        """Whether the method was not run, so that nobody knows."""
        return self.maps is None and not self.refusal


def methods_on(model: str, *, weights: str, thorough: bool = False) -> dict[str, Any]:
    """Return which methods apply to a model, as JSON can hold it.

    Raises:
        RegionwiseError: the model cannot be loaded or has no layer to explain.
    """
    classifier = load_model(model, weights=weights)
    inputs = torch.cat([classifier.noise(), _bird(classifier)])
    with Probe(classifier.module, inputs, None, classifier.layer, needs=frozenset({TAIL})) as probe:
        layer, tail, channels = probe.layer, probe.tail.mode, probe.activations.shape[1]
    verdicts = [_verdict(classifier, inputs, card, thorough=thorough) for card in methods.cards()]
    return {
        "model": classifier.source,
        "layer": layer,
        "channels": channels,
        "tail": tail,
        "methods": [_record(verdict, verdicts) for verdict in verdicts],
    }


def _bird(classifier: Classifier) -> Inputs:
    """Return a rendered bird as the model would see it."""
    kind = species(4)[1]
    picture = Image.fromarray(render(sample_scene(kind, 0)).image)
    like = classifier.noise()
    if classifier.preprocessing is not None:
        return classifier.preprocessing(picture).to(like)
    resized = picture.resize((like.shape[3], like.shape[2]))
    values = torch.tensor(list(resized.tobytes()), dtype=torch.uint8).view(*like.shape[2:], 3)
    return values.permute(2, 0, 1)[None].to(like) / 255


def _verdict(classifier: Classifier, inputs: Inputs, card: Card, *, thorough: bool) -> _Verdict:
    if not thorough and is_costly(card):
        return _Verdict(card)
    try:
        return _Verdict(card, maps=explain(classifier, inputs, card.name).maps)
    except RegionwiseError as error:
        return _Verdict(card, refusal=str(error.__cause__ or error))


def is_costly(card: Card) -> bool:
    """Whether a method runs the network dozens of times."""
    passes = [int(number) for number in re.findall(r"(\d+) F", card.passes)]
    return MASKED_SCORES in card.needs or max(passes, default=0) > _FEW


def _record(verdict: _Verdict, all_of_them: Sequence[_Verdict]) -> dict[str, Any]:
    others = [other for other in all_of_them if other is not verdict]
    same = [
        f"{other.card.name}{how}"
        for other in others
        if (how := likeness(verdict.maps, other.maps)) is not None
    ]
    return {
        "name": verdict.card.name,
        "applies": None if verdict.left_out else not verdict.refusal,
        "reason": verdict.refusal,
        "measured": verdict.maps is not None,
        "coincides_with": same,
        "passes": verdict.card.passes,
    }


def likeness(one: Tensor | None, other: Tensor | None) -> str | None:
    """Return how maps agree, or ``None`` if they do not; blank maps agree with nothing."""
    if one is None or other is None or one.shape != other.shape:
        return None
    if _agree(one, other):
        return ""
    return " (where positive)" if _agree(one.relu(), other.relu()) else None


def _agree(one: Maps, other: Maps) -> bool:
    first, second = one.flatten(1).double(), other.flatten(1).double()
    strengths = first.abs().amax(dim=1), second.abs().amax(dim=1)
    if not all(bool((s > 0).all()) for s in strengths):
        return False
    apart = first / strengths[0][:, None] - second / strengths[1][:, None]
    return float(apart.abs().amax()) <= _ALIKE
