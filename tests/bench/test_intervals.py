"""The interval of a ratio: exact ranks, and coverage on noise as a busy machine makes it."""

import itertools

import numpy as np
import pytest
from bench.intervals import critical, located, ratio


@pytest.mark.parametrize("count", [6, 7, 9])
def test_the_critical_rank_sum_is_the_largest_that_is_rare_enough(count):
    sums = [
        sum(rank for rank, up in enumerate(signs, 1) if up)
        for signs in itertools.product([False, True], repeat=count)
    ]
    rare = critical(count)
    assert np.mean(np.array(sums) <= rare) <= 0.025 < np.mean(np.array(sums) <= rare + 1)


def test_sixteen_turns_have_the_tabulated_critical_value():
    assert critical(16) == 29


def test_with_fewer_than_six_turns_there_is_no_interval_only_a_range():
    found = located([3.0, 1.0, 2.0])
    assert (found.value, found.low, found.high, found.sure) == (2, 1, 3, False)
    assert located([1.0] * 6).sure


def test_a_constant_ratio_is_found_exactly_whatever_the_machine_does():
    below = [1.0, 5.0, 2.0, 9.0, 1.5, 3.0]
    found = ratio([3 * seconds for seconds in below], below)
    assert (found.value, found.low, found.high) == pytest.approx((3, 3, 3))


def test_one_pause_moves_the_ratio_little():
    below = [1.0] * 16
    assert ratio([2.0] * 15 + [40.0], below).value == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize("turns", [([1.0], [1.0, 2.0]), ([], [])])
def test_turns_without_a_partner_are_refused(turns):
    with pytest.raises(ValueError, match="cannot be paired"):
        ratio(*turns)


@pytest.mark.parametrize("noise", ["even", "pauses", "drift"])
def test_the_interval_covers_as_often_as_it_says(noise):
    rng = np.random.default_rng(3)
    held = [_covers(rng, noise) for _ in range(400)]
    assert np.mean(held) > 0.92


def _covers(rng, noise):
    """Sixteen turns of two contenders, a third between them; the true ratio is 1.5."""
    places = np.arange(48)
    logs = 0.03 * rng.standard_normal(48)
    if noise == "pauses":
        logs += (rng.random(48) < 0.1) * rng.exponential(0.4, 48)
    if noise == "drift":
        logs += 0.3 * np.sin(places / 8 + 6 * rng.random())
    turns = logs.reshape(8, 6)
    ours = np.exp(turns[:, [0, 5]].ravel())
    theirs = 1.5 * np.exp(turns[:, [2, 3]].ravel())
    found = ratio(theirs.tolist(), ours.tolist())
    return found.low <= 1.5 <= found.high
