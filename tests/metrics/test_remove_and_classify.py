"""Remove and classify: replica, references, ratios by hand."""

import math

import pytest
import torch

from metric_cases import balanced, case_of, maps_of, pixels, uniform
from regionwise.errors import SettingError
from regionwise.metrics.altered import filling
from regionwise.metrics.recipe import Values
from regionwise.metrics.remove_and_classify import (
    RemoveAndClassify,
    accuracy_ratio,
    moved,
    scattered_ranks,
)
from replicas import metrics_removal as replica
from samples import assert_same, float64

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)


@pytest.fixture
def case():
    labels = balanced()(pixels(8)).argmax(1)
    return case_of(balanced(), n=8, labels=labels, targets=labels)


@pytest.mark.parametrize("fill", ["blur", "mean"])
def test_replica(case, fill):
    found = RemoveAndClassify(fill=fill)(case)
    assert found.levels == SHARES
    assert found.values is None
    instead = filling(case.inputs, fill)
    ranks = {
        "hits": [replica.descending(plane) for plane in case.saliency],
        "blob": [replica.descending(p) for p in moved(case.saliency, case.inputs, 0)],
        "scattered": [replica.descending(-p) for p in scattered_ranks(case.inputs, 0)],
    }
    for name, orders in ranks.items():
        expected = [
            replica.hits(
                balanced(), case.inputs[n], instead[n], orders[n], SHARES, int(case.labels[n])
            )
            for n in range(len(case))
        ]
        assert_same(found.curves[name], expected)
    assert 0 < float(found.curves["hits"].mean()) < 1


def test_ratios_by_hand():
    hits = float64([[1, 0, 0], [1, 1, 0]])
    reference = float64([[1, 1, 0], [1, 1, 0]])
    ratio = accuracy_ratio(hits, reference)
    assert ratio.tolist()[:2] == [1, 0.5]
    assert math.isnan(ratio[2])
    curves = {"hits": hits, "scattered": reference, "blob": hits}
    answer = RemoveAndClassify().reduce([Values(None, curves, (0.1, 0.5, 0.9))])
    assert answer["value"] == pytest.approx(0.75)
    assert answer["blob"] == pytest.approx(1)
    assert answer["undefined"] == pytest.approx(1 / 3)
    assert answer["accuracy-hits@50"] == pytest.approx(0.5)
    assert answer["accuracy-scattered@90"] == 0
    assert answer["ratio@50"] == pytest.approx(0.5)
    assert math.isnan(answer["ratio-blob@90"])


def test_accuracies_add_up_over_batches(case):
    metric = RemoveAndClassify(percents="30/70")
    whole = metric.reduce([metric(case)])
    parts = [
        metric(
            case_of(
                balanced(),
                n=rows.stop - rows.start,
                inputs=case.inputs[rows],
                saliency=case.saliency[rows],
                labels=case.labels[rows],
                targets=case.targets[rows],
            )
        )
        for rows in (slice(0, 3), slice(3, 8))
    ]
    assert metric.reduce(parts) == pytest.approx(whole, nan_ok=True)


def test_a_blob_has_the_shape_of_the_map():
    maps = maps_of()
    elsewhere = moved(maps, pixels(), seed=1)
    assert_same(elsewhere.flatten(1).sort().values, maps.flatten(1).sort().values)
    assert not torch.equal(elsewhere, maps)
    block = torch.zeros(1, 8, 6, dtype=torch.float64)
    block[0, 2:5, 1:4] = 1
    there = moved(block, pixels(1), seed=5)[0]
    assert sorted(there.sum(0).tolist()) == [0, 0, 0, 3, 3, 3]
    assert sorted(there.sum(1).tolist()) == [0, 0, 0, 0, 0, 3, 3, 3]


def test_a_blob_lands_anywhere():
    point = torch.zeros(1, 4, 3, dtype=torch.float64)
    point[0, 1, 1] = 1
    image = pixels(1, 4, 3)
    seen = {int(moved(point, image, seed).argmax()) for seed in range(150)}
    assert seen == set(range(12))
    line = torch.arange(12, dtype=torch.float64).reshape(1, 4, 3)
    assert len({tuple(moved(line, image, seed).flatten().tolist()) for seed in range(400)}) == 48


def test_chance_belongs_to_the_picture():
    inputs = pixels(3)
    for draw in (scattered_ranks(inputs, 0), moved(maps_of(), inputs, 0)):
        assert len({tuple(row.flatten().tolist()) for row in draw}) == 3
    assert torch.equal(scattered_ranks(inputs, 0)[1:], scattered_ranks(inputs[1:], 0))
    assert not torch.equal(scattered_ranks(inputs, 0), scattered_ranks(inputs, 1))


def test_the_scattered_reference_is_shared_by_methods(case):
    metric = RemoveAndClassify()
    metric(case)
    passes = case.judge.passes
    assert passes == 3 * 5 * len(case)
    other = case_of(n=8, labels=case.labels, judge=case.judge, saliency=maps_of(8, seed=77))
    metric(other)
    assert case.judge.passes == passes + 2 * 5 * len(case)


def test_a_flat_map_erases_in_reading_order(case):
    flat = case_of(balanced(), n=8, labels=case.labels, saliency=uniform(0.0, 8))
    line = torch.linspace(1, 0, 48, dtype=torch.float64).reshape(8, 6).expand(8, -1, -1)
    steep = case_of(balanced(), n=8, labels=case.labels, saliency=line)
    metric = RemoveAndClassify()
    assert torch.equal(metric(flat).curves["hits"], metric(steep).curves["hits"])


@pytest.mark.parametrize("percents", ["", "10/5", "0/10", "10/100", "ten", "10/10"])
def test_shares_that_are_none_are_refused(percents):
    with pytest.raises(SettingError, match="percents"):
        RemoveAndClassify(percents=percents)
