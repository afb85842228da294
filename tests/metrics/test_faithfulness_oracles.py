"""Agreement with torch-cam and pytorch-grad-cam where they follow a definition.

Each peer is asked for exactly what one of our settings says.
"""

import contextlib
import math
import warnings

import numpy as np
import pytest
import torch

from metric_cases import case_of, maps_of, network, pixels
from regionwise.metrics.average_drop import AverageDrop
from regionwise.metrics.catalog import metrics
from regionwise.metrics.coherency import Coherency
from regionwise.metrics.imputation import linear_imputation
from regionwise.metrics.increase_in_confidence import IncreaseInConfidence
from regionwise.metrics.insertion_deletion import Deletion, Insertion
from regionwise.metrics.road import ROAD

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from pytorch_grad_cam.metrics import arcc
    from pytorch_grad_cam.metrics.cam_mult_image import DropInConfidence
    from pytorch_grad_cam.metrics.cam_mult_image import IncreaseInConfidence as Up
    from pytorch_grad_cam.metrics.road import (
        NoisyLinearImputer,
        ROADLeastRelevantFirstAverage,
        ROADMostRelevantFirstAverage,
    )
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from torchcam.metrics import ClassificationMetric, DeletionInsertionMetric

pytestmark = pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")

TARGETS = [1, 1, 0]


class Given:
    """An extractor of torch-cam that always gives the same maps."""

    def __init__(self, model, maps):
        self.model, self.maps = model, maps

    def __call__(self, *_, **__):
        return [self.maps]

    def fuse_cams(self, cams):
        return cams[0]

    def _hooks_off(self):
        return contextlib.nullcontext()


def softmax(logits):
    return torch.softmax(logits, dim=-1)


@pytest.mark.parametrize("score", ["probability", "logit"])
def test_torch_cam_on_drop_and_increase(score):
    case = case_of(targets=torch.tensor(TARGETS))
    peer = ClassificationMetric(
        Given(network(), case.saliency), softmax if score == "probability" else None
    )
    peer.update(case.inputs, TARGETS)
    theirs = peer.summary()
    drop = AverageDrop(score=score, denominator="epsilon")
    assert drop.reduce([drop(case)])["value"] == pytest.approx(theirs["avg_drop"], rel=1e-12)
    increase = IncreaseInConfidence(score=score)
    assert increase.reduce([increase(case)])["value"] == theirs["conf_increase"]


@pytest.mark.parametrize("score", ["probability", "logit"])
def test_torch_cam_on_insertion_and_deletion(score):
    case = case_of(targets=torch.tensor(TARGETS))
    peer = DeletionInsertionMetric(
        Given(network(), case.saliency), softmax if score == "probability" else None, steps=20
    )
    peer.update(case.inputs, TARGETS)
    theirs = peer.summary()
    pixels_at_once = math.ceil(48 / 20)
    for metric, name in (
        (Deletion(pixels=pixels_at_once, score=score), "deletion_auc"),
        (Insertion(pixels=pixels_at_once, score=score, fill="mean"), "insertion_auc"),
    ):
        # its shares of pixels are in single precision
        assert metric.reduce([metric(case)])["value"] == pytest.approx(theirs[name], rel=1e-6)


def targets_of(score):
    picked = [ClassifierOutputTarget(c) for c in TARGETS]
    if score == "logit":
        return picked
    return [lambda out, t=target: t(out.softmax(-1)) for target in picked]


@pytest.mark.parametrize("score", ["probability", "logit"])
def test_pytorch_grad_cam_on_drop_and_increase(score):
    case = case_of(targets=torch.tensor(TARGETS))
    maps = case.saliency.numpy()
    theirs = DropInConfidence()(case.inputs, maps, targets_of(score), network())
    mine = AverageDrop(score=score, denominator="none")(case).values
    np.testing.assert_allclose(mine.numpy(), theirs, rtol=1e-5, atol=1e-6)  # single precision
    assert theirs.max() > 0
    increased = Up()(case.inputs, maps, targets_of(score), network())
    assert IncreaseInConfidence(score=score)(case).values.tolist() == increased.tolist()


def test_pytorch_grad_cam_on_imputation():
    images, removed = pixels(2), maps_of(2) > 0.4
    found = linear_imputation(images, removed, tolerance=1e-12)
    for image, mask, ours in zip(images, removed, found, strict=True):
        theirs = NoisyLinearImputer(noise=0)(image.float(), (~mask).float())
        torch.testing.assert_close(ours.float(), theirs.float(), atol=1e-6, rtol=1e-6)


def distinct(n=3):
    """Maps without equal values, whose percentiles cut off whole numbers of pixels."""
    generator = torch.Generator().manual_seed(2)
    return torch.stack([torch.randperm(80, generator=generator) for _ in range(n)]).reshape(
        n, 10, 8
    ).double() / 79  # fmt: skip


@pytest.fixture
def quiet(monkeypatch):
    """Their imputation without noise."""
    monkeypatch.setattr(NoisyLinearImputer.__init__, "__defaults__", (0.0, None))


@pytest.mark.parametrize("score", ["probability", "logit"])
def test_pytorch_grad_cam_on_road(quiet, score):
    case = case_of(h=10, w=8, saliency=distinct(), targets=torch.tensor(TARGETS))
    maps, targets = case.saliency.numpy(), targets_of(score)
    metric = ROAD(percents="20/50/80", score=score, noise=0.0, ties="first")
    found = metric(case)
    before = case.scores(case.logits(), score)
    # they name the share that stays
    given = (case.inputs.float(), maps, targets, network().float())
    most = ROADMostRelevantFirstAverage([20, 50, 80])(*given)
    least = ROADLeastRelevantFirstAverage([20, 50, 80])(*given)
    for name, theirs in (("morf", most), ("lerf", least)):
        mine = found.curves[name].mean(1) - before
        np.testing.assert_allclose(mine.numpy(), theirs, atol=2e-5)
    np.testing.assert_allclose(found.values.numpy(), (least - most) / 2, atol=2e-5)
    assert abs(found.values).max() > 1e-3


def test_pytorch_grad_cam_on_complexity_and_coherency():
    case = case_of(again=lambda x, _: maps_of(len(x), seed=9))
    theirs = arcc.Complexity()(case.saliency.numpy())
    np.testing.assert_allclose(metrics.parse("complexity")(case).values.numpy(), theirs)
    peer = arcc.Coherency()(
        case.inputs,
        case.saliency.numpy(),
        targets_of("logit"),
        network(),
        lambda **_: maps_of(3, seed=9).numpy(),
    )
    # its epsilon of 1e-8
    np.testing.assert_allclose(Coherency()(case).values.numpy(), peer, atol=1e-6)
