"""Attention placement: distances, bands around boundaries, shares."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metric_cases import case_of, maps_of
from regionwise.errors import InputError
from regionwise.metrics.attention_placement import zone_names, zone_shares, zones_of
from regionwise.metrics.case import Truth
from regionwise.metrics.catalog import metrics
from regionwise.metrics.distance import distance_to
from replicas import metrics_localisation as replica
from samples import assert_same

CELL = ("exterior", "cytoplasm", "nucleus")


def cell(rows=8, columns=6):
    segments = np.zeros((rows, columns), dtype=np.int64)
    segments[1:7, 1:6] = 1
    segments[2:5, 2:4] = 2
    return segments


def test_distances_are_exact():
    rng = np.random.default_rng(0)
    for share in (0.05, 0.3, 0.9):
        region = rng.random((9, 7)) < share
        places = np.argwhere(region)
        for y, x in np.ndindex(9, 7):
            expected = np.hypot(*(places - (y, x)).T).min() if len(places) else np.inf
            assert distance_to(region)[y, x] == pytest.approx(expected)
    assert np.isinf(distance_to(np.zeros((3, 4), dtype=bool))).all()


@pytest.mark.parametrize("width", [0, 1, 1.5, 2, 50])
def test_zones_are_their_replica(width):
    rng = np.random.default_rng(1)
    names = zone_names(CELL)
    for segments in (cell(), rng.integers(0, 3, (6, 7)), np.zeros((3, 3), dtype=np.int64)):
        ours = [names[z] for z in zones_of(segments, 3, width).ravel()]
        assert ours == replica.zones(segments, CELL, width)


def test_zones_by_hand():
    row = np.array([[0, 0, 0, 1, 1, 2]])
    assert zone_names(("a", "b", "c")) == ("a", "b", "c", "a|b", "a|c", "b|c")
    assert zones_of(row, 3, 0).tolist() == row.tolist()
    assert zones_of(row, 3, 1).tolist() == [[0, 0, 3, 3, 5, 5]]
    assert zones_of(row, 3, 2).tolist() == [[0, 3, 3, 3, 5, 5]]
    with pytest.raises(InputError, match="0 to 1"):
        zones_of(row, 2, 1)


def test_the_map_of_a_nucleus_lies_on_the_nucleus():
    segments = torch.from_numpy(cell())[None].repeat(3, 1, 1)
    truth = Truth(segments=segments, segment_names=CELL)
    saliency = (segments == 2).double()
    saliency[0, 0, 0] = 0.5
    metric = metrics.parse("attention-placement:width=0")
    answer = metric.reduce([metric(case_of(saliency=saliency, truth=truth))])
    assert answer["value"] == 0
    assert answer["share:nucleus"] == pytest.approx((6 / 6.5 + 1 + 1) / 3)
    assert answer["share:exterior"] == pytest.approx(0.5 / 6.5 / 3)
    assert answer["area:nucleus"] == pytest.approx(6 / 48)
    bands = metrics.parse("attention-placement:width=1")
    found = bands.reduce([bands(case_of(saliency=saliency, truth=truth))])
    assert found["share:cytoplasm|nucleus"] == pytest.approx((6 / 6.5 + 2) / 3)
    assert found["share:nucleus"] == 0
    assert found["value"] == pytest.approx((6 / 6.5 + 2) / 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 5))
def test_shares_sum_to_one(seed, width):
    rng = np.random.default_rng(seed)
    zones = torch.from_numpy(zones_of(rng.integers(0, 4, (5, 6)), 4, width))[None]
    maps = torch.from_numpy(rng.normal(size=(1, 5, 6)))
    shares = zone_shares(maps, zones, 10)
    assert_same(shares.sum(1), [1.0])
    assert_same(zone_shares(3 * maps, zones, 10), shares)
    assert bool((shares >= 0).all())


def test_a_blank_map_has_no_place():
    truth = Truth(segments=torch.from_numpy(cell())[None].repeat(3, 1, 1), segment_names=CELL)
    saliency = maps_of()
    saliency[1] = 0
    metric = metrics.parse("attention-placement")
    answer = metric.reduce([metric(case_of(saliency=saliency, truth=truth))])
    assert answer["undefined"] == pytest.approx(1 / 3)
    assert sum(v for k, v in answer.items() if k.startswith("share:")) == pytest.approx(1)
