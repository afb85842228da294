"""ROAD: imputation against a dense solution, both orders, planted truth."""

import pytest
import torch

from metric_cases import Constant, Planted, case_of, maps_of, network, pixels
from regionwise.errors import InputError
from regionwise.metrics.conjugate import doubled, halved
from regionwise.metrics.imputation import linear_imputation, neighbours
from regionwise.metrics.road import ROAD, noisy_linear, road_gap
from replicas import metrics_removal as replica
from samples import assert_same, float64

QUIET = {"noise": 0.0, "ties": "first"}


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_imputation_replica(threshold):
    images, removed = pixels(3, 9, 7), maps_of(3, 9, 7) < threshold
    found = linear_imputation(images, removed, tolerance=1e-13)
    expected = [replica.linear_imputation(x, m) for x, m in zip(images, removed, strict=True)]
    assert_same(found, expected)
    kept = ~removed.unsqueeze(1).expand_as(images)
    assert torch.equal(found[kept], images[kept])


def test_one_pixel_by_hand():
    image = float64([[[[1.0, 2.0, 3.0], [4.0, 100.0, 6.0], [7.0, 8.0, 9.0]]]])
    removed = torch.zeros(1, 3, 3, dtype=torch.bool)
    removed[0, 1, 1] = True
    expected = (2 + 4 + 6 + 8) / 6 + (1 + 3 + 7 + 9) / 12
    assert float(linear_imputation(image, removed)[0, 0, 1, 1]) == pytest.approx(expected)
    corner = torch.zeros(1, 3, 3, dtype=torch.bool)
    corner[0, 0, 0] = True
    expected = (2 / 6 + 4 / 6 + 100 / 12) / (5 / 12)
    assert float(linear_imputation(image, corner)[0, 0, 0, 0]) == pytest.approx(expected)


def test_neighbours_by_hand():
    point = torch.zeros(1, 3, 3, dtype=torch.float64)
    point[0, 1, 1] = 12
    assert neighbours(point)[0].tolist() == [[1, 2, 1], [2, 0, 2], [1, 2, 1]]


@pytest.mark.parametrize("size", [(8, 6), (9, 7), (5, 8), (4, 4)])
def test_doubling_is_the_transpose_of_halving(size):
    fine = pixels(2, *size)
    coarse = halved(fine)
    other = coarse.flip(-1).roll(1, -2)
    assert_same((coarse * other).sum(), (fine * doubled(other, *size)).sum())
    ones = torch.ones_like(coarse)
    assert_same(doubled(ones, *size)[..., 1:-2, 1:-2], torch.ones(2, 3, size[0] - 3, size[1] - 3))


def test_large_holes_take_few_steps():
    image, removed = pixels(1, 96, 96), torch.zeros(1, 96, 96, dtype=torch.bool)
    removed[:, 8:88, 8:88] = True
    found = linear_imputation(image, removed, tolerance=1e-8, most=60)
    residual = (neighbours(found) - neighbours(torch.ones_like(found)) * found)[..., 8:88, 8:88]
    assert float(residual.abs().max()) < 1e-7


def test_a_constant_image_stays():
    flat = torch.full((2, 3, 8, 6), 0.7, dtype=torch.float64)
    assert_same(linear_imputation(flat, maps_of(2) > 0.2, tolerance=1e-13), flat)


def test_nothing_and_everything_removed():
    images = pixels(1)
    none = torch.zeros(1, 8, 6, dtype=torch.bool)
    assert torch.equal(linear_imputation(images, none), images)
    assert torch.equal(linear_imputation(images, ~none), torch.zeros_like(images))


def test_giving_up_is_said():
    with pytest.raises(InputError, match="residual"):
        linear_imputation(pixels(1), maps_of(1) > 0.1, most=2)


def test_replica():
    case = case_of()
    found = ROAD(percents="20/50/80", **QUIET)(case)
    for n in range(len(case)):
        expected = replica.road(
            network(), case.inputs[n], case.saliency[n], (0.2, 0.5, 0.8), int(case.targets[n]),
            "probability",
        )  # fmt: skip
        assert float(found.values[n]) == pytest.approx(expected, abs=1e-5)
    assert len(set(found.values.tolist())) == 3


def test_gap_by_hand():
    assert_same(road_gap(float64([[0.9, 0.7]]), float64([[0.5, 0.1]])), [0.25])


def test_hits_are_told_where_labels_are_known():
    labels = network()(pixels()).argmax(1)
    found = ROAD(percents="10/90")(case_of(labels=labels))
    assert set(found.curves) == {"morf", "lerf", "hits-morf", "hits-lerf"}
    assert set(found.curves["hits-morf"].unique().tolist()) <= {0, 1}
    assert set(ROAD(percents="10/90")(case_of(labels=None)).curves) == {"morf", "lerf"}
    answer = ROAD().reduce([found])
    assert answer["hits-lerf@10"] == pytest.approx(float(found.curves["hits-lerf"][:, 0].mean()))
    assert answer["value"] == pytest.approx(float(found.values.mean()))


def test_noise_belongs_to_picture_and_seed():
    image, removed = pixels(1)[0], maps_of(2) > 0.5
    once = noisy_linear(image, removed, noise=0.01, seed=3)
    assert torch.equal(once, noisy_linear(image, removed, noise=0.01, seed=3))
    assert not torch.equal(once, noisy_linear(image, removed, noise=0.01, seed=4))
    quiet = noisy_linear(image, removed, noise=0.0, seed=3)
    where = removed.unsqueeze(1).expand_as(quiet)
    assert torch.equal(once[~where], quiet[~where])
    assert 0.005 < float((once - quiet)[where].std()) < 0.02


def test_a_constant_network_has_no_gap():
    case = case_of(Constant(), targets=torch.zeros(3, dtype=torch.int64))
    assert ROAD()(case).values.tolist() == [0, 0, 0]


def test_turning_the_map_around_turns_the_gap_around():
    maps = maps_of() + torch.arange(48).reshape(8, 6) * 1e-5
    maps = maps / maps.amax((1, 2), keepdim=True)
    forth = ROAD(**QUIET)(case_of(saliency=maps)).values
    back = ROAD(**QUIET)(case_of(saliency=1 - maps)).values
    assert_same(forth, -back)


def test_planted_truth_is_ranked():
    region = torch.zeros(8, 6, dtype=torch.float64)
    region[2:5, 1:4] = 1
    inputs = pixels() * 0.1
    inputs[:, :, 2:5, 1:4] += 2
    scores = []
    for maps in (region.expand(3, 8, 6), maps_of(seed=6), 1 - region.expand(3, 8, 6)):
        case = case_of(
            Planted(region),
            inputs=inputs,
            saliency=maps,
            targets=torch.zeros(3, dtype=torch.int64),
        )
        scores.append(float(ROAD()(case).values.mean()))
    assert scores[0] > scores[1] + 0.05 > scores[2] + 0.1
