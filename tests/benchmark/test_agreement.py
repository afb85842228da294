"""Agreement of maps: all pairs against single ones, the order of the matrix."""

import numpy as np
import pytest
import torch

from regionwise.benchmark.agreement import (
    Correlated,
    agreement_of,
    by_likeness,
    correlated,
    rank_correlations,
)
from regionwise.metrics.similarity import spearman


def test_all_pairs_at_once_are_the_pairs_one_by_one(generator):
    maps = torch.rand(4, 6, 5, generator=generator)
    maps[2] = (maps[2] * 3).round()  # ties
    found = rank_correlations(maps)
    for a in range(4):
        for b in range(4):
            one = float(spearman(maps[[a]], maps[[b]]))
            assert found[a, b] == pytest.approx(one, abs=1e-12)


def test_a_constant_map_has_no_correlation():
    maps = torch.stack([torch.zeros(3, 3), torch.arange(9.0).reshape(3, 3)])
    found = rank_correlations(maps)
    assert np.isnan(found[0]).all()
    assert found[1, 1] == pytest.approx(1)


def test_the_mean_is_over_pictures_that_have_both(generator):
    a, b = torch.rand(2, 4, 4, generator=generator)
    pictures = [correlated({"x": a, "y": b}), correlated({"x": a, "y": a, "z": b})]
    found = agreement_of(pictures)
    assert found.pictures == 2
    place = {name: k for k, name in enumerate(found.methods)}
    rho = float(spearman(a[None], b[None]))
    assert found.mean[place["x"], place["y"]] == pytest.approx((rho + 1) / 2)
    assert found.counts[place["x"], place["y"]] == 2
    assert found.counts[place["x"], place["z"]] == 1


def test_a_picture_with_a_constant_map_does_not_count(generator):
    a, b = torch.rand(2, 4, 4, generator=generator)
    found = agreement_of([correlated({"x": a, "y": b}), correlated({"x": a, "y": 0 * b})])
    place = {name: k for k, name in enumerate(found.methods)}
    assert found.counts[place["x"], place["y"]] == 1
    assert found.counts[place["x"], place["x"]] == 2
    rho = float(spearman(a[None], b[None]))
    assert found.mean[place["x"], place["y"]] == pytest.approx(rho)


def test_methods_that_never_meet_have_no_number():
    pictures = [Correlated((name,), np.ones((1, 1))) for name in "xy"]
    found = agreement_of(pictures)
    assert np.isnan(found.mean[0, 1])
    assert agreement_of([Correlated(("x",), np.ones((1, 1)))]) is None
    assert agreement_of([]) is None


def test_what_is_alike_stands_together_and_the_ends_meet():
    groups = [0, 1, 0, 1, 2]
    alike = np.array([[0.9 if p == q else 0.1 for q in groups] for p in groups])
    alike[3, 4] = alike[4, 3] = 0.5  # of the second group, this one is nearest to the third
    order = by_likeness(alike)
    assert sorted(order) == [0, 1, 2, 3, 4]
    places = {index: place for place, index in enumerate(order)}
    assert abs(places[0] - places[2]) == 1
    assert abs(places[1] - places[3]) == 1
    assert abs(places[3] - places[4]) == 1


def test_what_is_unknown_is_less_alike_than_anything():
    nan = np.nan
    alike = np.array([[1, nan, -0.9], [nan, 1, nan], [-0.9, nan, 1]])
    order = by_likeness(alike)
    assert abs(order.index(0) - order.index(2)) == 1
