"""Cue localisation: pairs of classes, masks of parts, maps of the difference, pooling by pair."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from metric_cases import case_of
from regionwise.data.birds import render, sample_scene, species, write_birds
from regionwise.data.birds.labels import class_attributes
from regionwise.data.birds.vocabulary import PART_IDS, UNITED_PARTS
from regionwise.data.cub import read_cub
from regionwise.errors import DataError, InputError
from regionwise.metrics.average_precision import average_precision, pixel_counts, pooled
from regionwise.metrics.case import Truth
from regionwise.metrics.catalog import metrics
from regionwise.metrics.cue import (
    class_pairs,
    cue_map,
    exact_part_mask,
    nearest_part_mask,
    resized_mask,
    united_masks,
    united_points,
)
from regionwise.metrics.cue_regions import cue_region
from regionwise.metrics.pixel_metrics import by_pair, cumulative_precisions, mean_by_parts
from regionwise.metrics.recipe import joined
from replicas import metrics_localisation as replica
from samples import assert_same


def locations(**seen):
    found = np.zeros((15, 3))
    for name, (x, y) in seen.items():
        found[PART_IDS[name.replace("_", " ")] - 1] = (x, y, 1)
    return found


# --- pairs --------------------------------------------------------------------------------------


def test_pairs_of_birds_differ_in_the_parts_that_were_changed():
    birds = species(12)
    table = np.stack([100.0 * class_attributes(kind.plumage) for kind in birds])
    pairs = class_pairs(table)
    assert list(pairs) == sorted(pairs, key=lambda pair: (len(pairs[pair]), pair))
    chains = {
        (a, b) for a in range(12) for b in range(a + 1, 12) if a // 6 == b // 6 and b - a <= 3
    }
    assert set(pairs) == chains
    assert all(len(parts) == b - a for (a, b), parts in pairs.items())
    assert set(class_pairs(table, [1])) == {
        pair for pair, parts in pairs.items() if len(parts) == 1
    }


def test_half_of_the_annotators_are_enough():
    table = np.zeros((2, 312))
    table[0, 9] = 50.0  # has_wing_color::blue
    assert class_pairs(table) == {(0, 1): frozenset({"wing"})}
    assert class_pairs(table, threshold=50.1) == {}


# --- masks --------------------------------------------------------------------------------------


def test_points_are_scaled_truncated_and_united():
    seen = locations(
        beak=(30, 10), crown=(50, 33), left_leg=(99, 40), right_leg=(1, 1), tail=(3, 4)
    )
    seen[PART_IDS["belly"] - 1] = (5, 5, 0)
    points = united_points(seen, (50, 100), (8, 10))
    assert points == [("head", 4.0, 3.0), ("tail", 0.0, 0.0), ("leg", 9.0, 6.0), ("leg", 0.0, 0.0)]


@pytest.mark.parametrize("parts", [{"head"}, {"wing", "tail"}])
def test_the_nearest_point_is_its_replica(parts):
    rng = np.random.default_rng(1)
    for _ in range(4):
        points = [
            (part, *rng.integers(0, 9, 2).astype(float)) for part in UNITED_PARTS for _ in "ab"
        ]
        foreground = rng.random((9, 7)) < 0.7
        expected = replica.nearest_mask(points, parts, foreground)
        assert np.array_equal(nearest_part_mask(points, parts, foreground), expected)


def test_masks_by_hand():
    points = [("head", 0.0, 0.0), ("wing", 4.0, 0.0)]
    everywhere = np.ones((1, 5), dtype=bool)
    assert nearest_part_mask(points, {"wing"}, everywhere).tolist() == [[0, 0, 0, 1, 1]]
    assert nearest_part_mask(points, {"head"}, everywhere).tolist() == [[1, 1, 1, 0, 0]]
    assert nearest_part_mask(points, {"tail"}, everywhere) is None
    with pytest.raises(InputError, match="beak"):
        nearest_part_mask(points, {"beak"}, everywhere)
    ids = np.array([[PART_IDS["beak"], PART_IDS["left wing"], PART_IDS["right wing"], 0]])
    assert exact_part_mask(ids, {"wing"}).tolist() == [[False, True, True, False]]
    assert exact_part_mask(ids, {"leg"}) is None
    assert united_masks(ids)["head"].tolist() == [[True, False, False, False]]


def test_masks_of_numbers_are_never_mixed():
    mask = np.arange(12).reshape(3, 4)
    assert np.array_equal(resized_mask(mask, (3, 4)), mask)
    assert np.array_equal(resized_mask(np.kron(mask, np.ones((3, 5), int)), (3, 4)), mask)
    assert set(resized_mask(mask, (7, 9)).ravel()) <= set(range(12))


def test_the_masks_of_a_bird_agree_roughly():
    drawn = render(sample_scene(species(2)[0], 3, seed=1), size=64)
    exact = exact_part_mask(drawn.part_mask, {"head"})
    points = united_points(drawn.part_locations[0], (64, 64), (64, 64))
    nearest = nearest_part_mask(points, {"head"}, drawn.part_mask > 0)
    both, either = (exact & nearest).sum(), (exact | nearest).sum()
    assert 0.3 < both / either < 1.0


# --- maps ---------------------------------------------------------------------------------------


def test_the_order_matters():
    a, b = torch.tensor([[0.0, 2.0, 4.0]]), torch.tensor([[0.0, 2.0, 1.0]])
    maps = torch.stack([a, b])[None].double()
    assert_same(cue_map(maps, (1, 3)), [[[0.0, 0.5, 0.5]]])
    raw = cue_map(maps, (1, 3), order="difference-first")
    assert_same(raw, [[[0.0, 0.0, 1.0]]])
    assert_same(
        cue_map(maps, (1, 3), order="difference-first", normalize="none"), [[[0.0, 0.0, 3.0]]]
    )
    assert_same(cue_map(maps, (1, 3), normalize="none"), [[[0.0, 0.0, 3.0]]])
    assert_same(cue_map(maps, (1, 3), normalize="image"), [[[0.0, 0.0, 0.75]]])
    with pytest.raises(InputError, match="two classes"):
        cue_map(maps[:, :1], (1, 3))


def test_swapping_the_classes_changes_nothing():
    maps = torch.randn(2, 2, 3, 4, dtype=torch.float64)
    for order in ("normalise-first", "difference-first"):
        assert_same(cue_map(maps.flip(1), (6, 8), order=order), cue_map(maps, (6, 8), order=order))


# --- pooling ------------------------------------------------------------------------------------


def cue_case(pair, seed, *, quality=0.0, n=2):
    """Maps of two classes; their difference holds `quality` of the region."""
    generator = torch.Generator().manual_seed(seed)
    regions = torch.rand(n, 8, 6, generator=generator) < 0.25
    first, second = (torch.rand(n, 8, 6, generator=generator, dtype=torch.float64) for _ in "ab")
    return case_of(
        n=n,
        maps=second + quality * regions.double(),
        second_maps=second if quality else first,
        targets=torch.full((n,), pair[0]),
        second_targets=torch.full((n,), pair[1]),
        truth=Truth(regions=regions),
    )


PAIRS = [(0, 1), (2, 0), (1, 3)]


def test_pairs_in_another_order_give_the_same():
    """Golden identity 11; the cumulative variant is the one that fails it."""
    metric = metrics.parse("cue-localisation:normalize=none")
    found = [metric(cue_case(pair, seed)) for seed, pair in enumerate(PAIRS)]
    ahead, back = metric.reduce(found), metric.reduce(found[::-1])
    assert ahead["value"] == pytest.approx(back["value"], abs=1e-15)
    assert ahead["per_image"] == pytest.approx(back["per_image"], abs=1e-15)
    assert abs(ahead["cumulative"] - back["cumulative"]) > 1e-4
    assert ahead["pairs"] == 3
    assert list(by_pair(joined(found))) == [(0, 1), (0, 2), (1, 3)]


def test_the_mean_over_pairs_by_the_formula():
    metric = metrics.parse("cue-localisation:order=difference-first")
    found = [metric(cue_case(pair, seed)) for seed, pair in enumerate(PAIRS)]
    own = []
    for values in found:
        counts = pooled(
            pixel_counts(s.numpy(), y.numpy())
            for s, y in zip(values.extras["scores"], values.extras["labels"], strict=True)
        )
        own.append(average_precision(counts))
    answer = metric.reduce(found)
    assert answer["value"] == pytest.approx(np.mean(own))
    each = [float(values.values.mean()) for values in found]
    assert answer["per_image"] == pytest.approx(np.mean(each))


def test_counts_that_are_never_reset():
    one = pixel_counts(np.array([0.9, 0.1]), np.array([1, 0], dtype=np.uint8))
    two = pixel_counts(np.array([0.2, 0.8]), np.array([1, 0], dtype=np.uint8))
    assert cumulative_precisions([one, two]) == [1.0, pytest.approx((1 + 2 / 3) / 2)]
    assert cumulative_precisions([two, one])[0] == 0.5


def test_the_mean_by_the_number_of_parts():
    precisions = {(1, 2): 0.9, (0, 1): 0.2, (0, 2): 0.4}
    found = mean_by_parts(precisions, {(0, 1): 1, (0, 2): 1, (1, 2): 2})
    assert found == {1: pytest.approx(0.3), 2: 0.9}
    assert list(found) == [1, 2]
    assert mean_by_parts({(0, 1): math.nan, (0, 2): 0.4}, {(0, 1): 1, (0, 2): 1}) == {1: 0.4}


def test_columns_by_the_number_of_parts_come_out_of_the_metric():
    """Pairs weigh alike, however many images they have; the mean over all pairs stays."""
    metric = metrics.parse("cue-localisation:order=difference-first")
    found = []
    for seed, (pair, parts, n) in enumerate(zip(PAIRS, (1, 3, 3), (2, 4, 1), strict=True)):
        case = cue_case(pair, seed, n=n)
        truth = replace(case.truth, differing=torch.full((n,), parts))
        found.append(metric(replace(case, truth=truth)))
    one, *three = (metric.reduce([values])["value"] for values in found)
    answer = metric.reduce(found)
    assert answer["1 part"] == pytest.approx(one)
    assert answer["3 parts"] == pytest.approx(sum(three) / 2)
    assert (answer["pairs, 1 part"], answer["pairs, 3 parts"]) == (1, 2)
    assert answer["value"] == pytest.approx((one + sum(three)) / 3)
    assert "2 parts" not in answer
    shown = set(metrics.card("cue-localisation").columns)
    assert {"1 part", "3 parts"} <= shown
    assert not shown & set(metric.reduce([metric(cue_case((0, 1), 0))])), "nothing is known there"


def test_a_planted_difference_comes_first():
    metric = metrics.parse("cue-localisation:order=difference-first,normalize=none")
    perfect = metric.reduce([metric(cue_case((0, 1), 3, quality=2.0))])
    random = metric.reduce([metric(cue_case((0, 1), 3))])
    assert perfect["value"] == 1.0 > random["value"]
    assert random["value"] == pytest.approx(random["chance"], abs=0.15)


# --- regions of a data set ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def flock(tmp_path_factory):
    folder = tmp_path_factory.mktemp("birds") / "birds"
    write_birds(folder, classes=2, images_per_class=2, size=48)
    return read_cub(folder).images


def test_regions_of_birds_from_points_and_from_masks(flock):
    for image in flock:
        nearest = cue_region(image, {"head", "wing"}, (32, 24))
        exact = cue_region(image, {"head", "wing"}, (32, 24), "exact")
        assert nearest.shape == exact.shape == (32, 24)
        assert (nearest & exact).sum() / (nearest | exact).sum() > 0.2
        birds = cue_region(image, set(UNITED_PARTS), (32, 24), "exact")
        assert (cue_region(image, set(UNITED_PARTS), (32, 24)) == birds).mean() > 0.99


def test_regions_without_masks(flock, tmp_path):
    image = replace(flock[0], part_mask=None, segmentation=None)
    assert cue_region(image, set(UNITED_PARTS), (8, 8)).all()
    with pytest.raises(DataError, match="nearest"):
        cue_region(image, {"head"}, (8, 8), "exact")
    (tmp_path / "mask.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match="cannot be read"):
        cue_region(replace(image, part_mask=tmp_path / "mask.png"), {"head"}, (8, 8), "exact")
    with pytest.raises(DataError, match="colours"):
        cue_region(replace(image, part_mask=image.path), {"head"}, (8, 8), "exact")
