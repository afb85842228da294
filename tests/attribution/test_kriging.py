"""Guesses of scores from those of masks that look alike."""

import numpy as np
import torch

from regionwise.attribution.kriging import NUGGET, covariances, krige
from replicas.score_cam_budget import covariance, kriged
from samples import assert_same, float64


def masks(count=7, cells=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, cells, generator=generator, dtype=torch.float64)


def test_covariances_follow_the_replica_and_make_a_covariance():
    ours = covariances(masks())
    assert_same(ours, covariance(masks()))
    assert_same(ours.diagonal(), np.full(7, 1 + NUGGET))
    assert torch.linalg.eigvalsh(ours)[0] > 0


def test_distances_count_as_shares_of_their_mean():
    assert_same(covariances(masks() * 100), covariances(masks()))


def test_equal_masks_have_one_covariance_but_for_the_nugget():
    ours = covariances(masks(1, 97, seed=4).expand(23, -1))
    assert_same(ours, np.ones((23, 23)) + NUGGET * np.eye(23), tolerance=1e-3)
    assert_same(covariances(float64([[0.0]] * 3)), np.ones((3, 3)) + NUGGET * np.eye(3))


def test_misses_guesses_and_precision_follow_the_replica():
    places = torch.tensor([1, 2, 4, 6])
    ours = krige(masks(), places)
    cov, drawn = covariance(masks()), places.tolist()
    for row, k in enumerate(drawn):
        known = [channel for channel in drawn if channel != k]
        weights, variance = kriged(cov, known, k)
        expected = np.zeros(4)
        expected[[drawn.index(channel) for channel in known]] = -weights
        expected[row] = 1
        assert_same(ours.misses[row], expected)
        assert_same(ours.precision[row], 1 / variance)
    for channel in (0, 3, 5):
        expected = np.zeros(4)
        for left in drawn:
            known = [k for k in drawn if k != left]
            expected[[drawn.index(k) for k in known]] += kriged(cov, known, channel)[0] / 4
        assert_same(ours.guesses[channel], expected)


def test_equal_scores_are_guessed_and_never_missed():
    ours = krige(masks(), torch.tensor([0, 3, 5]))
    assert_same(ours.guesses.sum(dim=1), np.ones(7))
    assert_same(ours.misses.sum(dim=1), np.zeros(3))


def test_the_scale_of_equal_misses_and_of_one_large_one():
    count = 8
    kriging = krige(float64([[0.5]] * count), torch.arange(count))
    balanced = torch.tensor([1.0, -1.0] * 4, dtype=torch.float64)
    single = torch.tensor([1.0] + [0.0] * 7, dtype=torch.float64)
    scale, degrees = kriging.scale(torch.stack([balanced, single, 0 * single]))
    # equal masks: the guess is the mean of the others, and a unit of variance is NUGGET of it
    assert_same(scale[0] * NUGGET, 8 / 7)
    assert_same(scale[1] * NUGGET, 1 / 8)
    assert scale[2] == 0
    assert degrees[0] == degrees[2] == count - 1
    # squared misses 1 and 7 times 1 / 49: their kurtosis is 6.4
    squares = np.array([1.0] + [1 / 49] * 7)
    kurtosis = (squares**2).mean() / squares.mean() ** 2
    assert_same(degrees[1], 2 * count / (kurtosis - 1))
    assert degrees[1] < 4


def test_a_near_score_tells_more_than_a_far_one():
    near, far = [0.0, 0.0], [1.0, 1.0]
    kriging = krige(float64([near, far, [0.1, 0.0]]), torch.tensor([0, 1]))
    cov = covariance([near, far, [0.1, 0.0]])
    weights, _ = kriged(cov, [0, 1], 2)
    assert weights[0] > 0.85
    # each of the two guesses knows one score alone: their mean is half of both
    assert_same(kriging.guesses[2], [0.5, 0.5])
