"""Passing images through a network without learning from them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from regionwise.training.batches import EpochBatches, Features, Pictures, mirrored
from regionwise.training.data import loader
from regionwise.training.module import RegionTraining, evaluating
from regionwise.training.samples import Sample
from regionwise.training.tally import Tally
from regionwise.training.views import View

FEATURE_BYTES = 2 * 2**30
"""Activations of a frozen backbone are kept up to two gibibytes."""


def evaluate(
    training: RegionTraining, samples: Sequence[Sample], view: View, *, batch: int
) -> dict[str, float]:
    """Return mean loss, accuracies, confidences and disagreement over the images, in float32."""
    tally = Tally()
    batches = EpochBatches(len(samples), batch)
    with evaluating(training), torch.no_grad():
        for pixels, labels, index in loader(Pictures(samples, view), batches):
            moved = (pixels.to(training.device), labels.to(training.device), index)
            step = training.step(moved)
            tally.add(step.loss, step.said, step.vanilla, moved[1])
    return tally.means()


def features_of(
    training: RegionTraining, samples: Sequence[Sample], view: View, *, batch: int, seed: int
) -> Features | None:
    """Return what a frozen backbone says of the images; None if that is too much to keep.

    With the augmentation ``flip`` the mirrored pictures are looked at, too.
    """
    views = 2 if view.augmentation == "flip" else 1
    plain = View(view.preprocessing, "none", view.seed)
    found: list[list[Tensor]] = [[] for _ in range(views)]
    with evaluating(training), torch.no_grad():
        for pixels, _, _ in loader(Pictures(samples, plain), EpochBatches(len(samples), batch)):
            for number in range(views):
                seen = mirrored(pixels) if number else pixels
                fed = training.preprocessing.normalize(seen.to(training.device).float() / 255)
                found[number].append(training.network.backbone(fed).cpu())
            one = found[0][0]
            if views * len(samples) * one[0].numel() * one.element_size() > FEATURE_BYTES:
                return None
    return Features(samples, torch.stack([torch.cat(part) for part in found]), seed)
