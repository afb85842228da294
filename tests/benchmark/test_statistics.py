"""Statistics by hand, and by what they promise."""

from itertools import product

import numpy as np
import pytest

from regionwise.benchmark.statistics import (
    bootstrap_any,
    bootstrap_mean,
    coinciding,
    holm,
    paired_test,
    snapped,
    win_rates,
)

NAN = float("nan")


def test_an_interval_of_the_mean_is_that_of_theory():
    values = np.random.default_rng(0).normal(3, 2, 400)
    low, high = bootstrap_mean(values, seed=0, draws=4000)
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)
    assert bootstrap_mean(values, seed=0, draws=4000) == (low, high)
    holes = np.insert(values, [5, 70], NAN)
    assert bootstrap_mean(holes, seed=0, draws=4000) == (low, high)


def test_any_answer_has_the_interval_of_the_mean():
    values = np.random.default_rng(1).normal(0, 1, 100)
    ours = bootstrap_any(100, lambda index: float(values[index].mean()), seed=0, draws=3000)
    assert np.allclose(ours, bootstrap_mean(values, seed=0, draws=3000), atol=0.02)


def test_too_little_gives_no_interval():
    for values in ([], [1.0], [NAN, 1.0], [1.0, np.inf]):
        assert np.isnan(bootstrap_mean(np.array(values), seed=0)).all()
    assert np.isnan(bootstrap_any(1, lambda _: 1.0, seed=0)).all()


@pytest.mark.parametrize("side", ["both", "greater"])
def test_p_is_that_of_all_flips(side):
    """With eight images all 256 signs can be tried."""
    differences = np.array([0.3, 0.1, 0.5, -0.2, 0.4, 0.2, 0.1, 0.6])
    means = np.array([np.dot(s, differences) / 8 for s in product((-1, 1), repeat=8)])
    for sign in (1, -1):
        met = sign * differences.mean()
        far = means >= met - 1e-12 if side == "greater" else np.abs(means) >= abs(met) - 1e-12
        p = paired_test(sign * differences, seed=0, side=side)
        assert p == pytest.approx(far.mean(), abs=0.005)


def test_nothing_differs_from_itself():
    assert paired_test(np.zeros(20), seed=0) == 1
    assert paired_test(np.array([NAN, NAN]), seed=0) == 1
    assert paired_test(np.ones(20), seed=0) == pytest.approx(1e-4)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


def test_win_rates_by_hand():
    table = {
        "a": np.array([1.0, 2.0, 3.0]),
        "b": np.array([1.0, 1.0, 4.0]),
        "c": np.array([0.0, NAN, NAN]),
    }
    found = win_rates(table, "higher")
    assert found == pytest.approx({"a": (0.5 + 1) / 2, "b": (0.5 + 1) / 2, "c": 0.0})
    assert win_rates(table, "lower")["c"] == 1.0
    assert np.isnan(win_rates(table, "none")["a"])


def test_rounding_is_no_difference():
    table = np.array(
        [[0.3, 1.0, np.inf, NAN], [0.3 + 1e-9, 1.1, np.inf, 2.0], [0.2, 1.0, 1.0, 2.0]]
    )
    found = snapped(table)
    assert found[0, 0] == found[1, 0] == 0.3
    assert found[2, 0] == 0.2
    assert np.array_equal(found[:, 1:], table[:, 1:], equal_nan=True)


def test_methods_coincide_where_all_their_numbers_agree():
    one = {"x": np.array([1.0, NAN]), "y": np.array([2.0])}
    near = {"x": np.array([1.00001, NAN])}
    far = {"x": np.array([1.0, NAN]), "y": np.array([2.1])}
    other = {"z": np.array([1.0])}
    assert coinciding({"a": one, "b": far, "c": near, "d": other}) == [("a", "c")]
