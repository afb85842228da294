"""Accuracy and confidence: replicas image by image, by hand, and no map is asked."""

import math
from dataclasses import replace

import pytest
import torch

from metric_cases import Mean, balanced, case_of, maps_of, pixels, uniform
from regionwise.errors import InputError
from regionwise.metrics.catalog import metrics
from regionwise.metrics.prediction import Accuracy, Confidence, hits
from replicas.common import forward_one, softmax
from samples import assert_same, float64


def test_hits_by_hand():
    logits = float64([[0.1, 0.7, 0.2], [3.0, 3.0, 1.0], [-1.0, -2.0, -0.5]])
    assert hits(logits, torch.tensor([1, 0, 1])).tolist() == [1, 1, 0]
    assert hits(logits, torch.tensor([0, 1, 2])).tolist() == [0, 0, 1]


def test_replicas():
    model, inputs = balanced(), pixels(8)
    labels = torch.arange(8) // 2
    case = case_of(model, n=8, inputs=inputs, targets=labels, labels=labels)
    rows = [list(forward_one(model, image)) for image in inputs]
    right = [float(rows[n].index(max(rows[n])) == labels[n]) for n in range(8)]
    assert 0 < sum(right) < 8
    assert_same(Accuracy()(case).values, right)
    answer = Accuracy().reduce([Accuracy()(case)])
    assert answer == {"value": sum(right) / 8, "undefined": 0.0}
    chances = [softmax(row)[int(c)] for row, c in zip(rows, labels, strict=True)]
    assert_same(Confidence()(case).values, chances)


def test_confidence_by_hand():
    """The first logit is the mean of the inputs, the second 0."""
    case = case_of(
        Mean(), inputs=uniform(math.log(3))[:, None].expand(3, 3, 8, 6),
        targets=torch.tensor([0, 1, 0]),
    )  # fmt: skip
    assert Confidence()(case).values.tolist() == pytest.approx([0.75, 0.25, 0.75])


@pytest.mark.parametrize("name", ["accuracy", "confidence"])
def test_the_map_does_not_matter_and_no_ranking_counts_it(name):
    metric, case = metrics.parse(name), case_of()
    for other in (maps_of(seed=9), uniform(0.0)):
        assert torch.equal(metric(case).values, metric(case_of(saliency=other)).values)
    assert not metrics.card(name).about_map
    assert not metrics.card(name).needs & {"maps", "second", "second_maps", "again"}


def test_without_labels_there_is_no_accuracy():
    with pytest.raises(InputError, match="ground-truth classes"):
        Accuracy()(replace(case_of(), labels=None))
