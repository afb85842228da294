"""Sparseness, area, and the overlap of two maps."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metric_cases import case_of, maps_of, uniform
from regionwise.errors import InputError, SettingError
from regionwise.metrics.catalog import metrics
from regionwise.metrics.complexity import Area, area, gini
from regionwise.metrics.top2_iou import Top2IoU, map_iou
from replicas import metrics_confidence as replica
from samples import assert_same, float64


def test_gini_by_hand():
    assert gini(float64([[[0.0, 0.0, 0.0, 1.0]]])).tolist() == pytest.approx([0.75])
    assert gini(uniform(0.3, 1)).tolist() == pytest.approx([0], abs=1e-12)
    assert gini(float64([[[0.0, 1.0]]])).tolist() == pytest.approx([0.5])
    assert gini(uniform(0.0, 1)).isnan().all()


def test_gini_replica():
    maps = maps_of(3)
    assert_same(gini(maps), [replica.gini(plane) for plane in maps])


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 99))
def test_gini_ignores_scale_and_place(scale, seed):
    maps = maps_of(2, seed=seed)
    assert_same(gini(maps * scale), gini(maps.flip(1)), tolerance=1e-9)


def test_area_by_hand():
    maps = float64([[[0.0, 0.5], [0.6, 1.0]]])
    assert area(maps, 0.5).tolist() == [0.5]
    assert area(maps, 0.0).tolist() == [0.75]
    assert area(maps * 0.3, 0.5).tolist() == [0.5]
    assert area(uniform(0.0, 1), 0.5).tolist() == [0]


def test_iou_by_hand():
    first = float64([[[1.0, 0.3], [0.2, 0.0]]])
    second = float64([[[0.0, 0.5], [1.0, 0.0]]])
    assert map_iou(first, second).tolist() == pytest.approx([1 / 3])
    assert map_iou(first, first).tolist() == [1]
    assert map_iou(first * 0.1, second * 0.3).tolist() == pytest.approx([1 / 3])
    assert map_iou(first, 1 - first, threshold=0.9).tolist() == [0]


def test_iou_replica_at_every_threshold():
    first, second = maps_of(3), maps_of(3, seed=8)
    for threshold in (0.0, 0.2, 0.5, 0.9):
        expected = [replica.map_iou(a, b, threshold) for a, b in zip(first, second, strict=True)]
        assert_same(map_iou(first, second, threshold=threshold), expected)


def test_two_empty_maps_have_no_overlap():
    metric = Top2IoU()
    saliency = maps_of(2)
    saliency[1] = 0
    found = metric(case_of(n=2, saliency=saliency, second=torch.zeros_like(saliency)))
    assert found.values[0] == 0
    assert math.isnan(found.values[1])
    assert metric.reduce([found]) == {"value": 0.0, "undefined": 0.5}


def test_the_whole_image_overlaps_with_itself():
    case = case_of(saliency=uniform(1.0), second=uniform(1.0))
    assert Top2IoU()(case).values.tolist() == [1, 1, 1]
    assert metrics.parse("area")(case).values.tolist() == [1, 1, 1]
    assert metrics.parse("sparseness")(case).values.tolist() == pytest.approx([0, 0, 0])


def test_what_is_refused():
    with pytest.raises(SettingError, match="below 1"):
        Area(threshold=1.0)
    with pytest.raises(SettingError, match="top2-iou"):
        Top2IoU(threshold=-0.1)
    with pytest.raises(InputError, match="second class"):
        Top2IoU()(case_of())
