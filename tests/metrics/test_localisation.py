"""Pointing, energy, coverage, pixel precision: replicas, by hand, identities, planted truth."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metric_cases import case_of, maps_of
from regionwise.errors import InputError
from regionwise.metrics.average_precision import (
    average_precision,
    even_edges,
    log_edges,
    pixel_average_precision,
    pixel_counts,
    pooled,
)
from regionwise.metrics.box_metrics import chosen_on
from regionwise.metrics.case import Truth
from regionwise.metrics.catalog import metrics
from regionwise.metrics.energy_game import box_mask, energy_share
from regionwise.metrics.object_coverage import object_coverage
from regionwise.metrics.pointing_game import near_region, pointing_hit
from regionwise.metrics.recipe import Values
from replicas import metrics_localisation as replica
from samples import assert_same, float64

BOX = (1, 2, 4, 7)  # left, top, right, bottom: in a picture of 8 rows and 6 columns


def region_of(*boxes, size=(8, 6)):
    return box_mask(torch.tensor(boxes), size)


def truth_of(n=3, boxes=(BOX,)):
    regions = region_of(*boxes).expand(n, -1, -1)
    return Truth(regions=regions, boxes=tuple(torch.tensor(boxes) for _ in range(n)))


def labels(seed, *, ignore=False, size=(8, 6)):
    rng = np.random.default_rng(seed)
    found = (rng.random(size) < 0.3).astype(np.uint8)
    if ignore:
        found[rng.random(size) < 0.1] = 255
    return found


# --- pointing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("ties", ["share", "first", "any"])
@pytest.mark.parametrize("tolerance", [0, 1, 1.5, 3])
@pytest.mark.parametrize("size", [(8, 6), (4, 3), (5, 4)])
def test_pointing_is_its_replica(ties, tolerance, size):
    maps = (maps_of(4, *size, seed=1) * 3).round()
    region = region_of((1, 1, 3, 4))
    for plane in maps:
        expected = replica.hit(plane, region.numpy(), tolerance, ties)
        assert pointing_hit(plane, region, tolerance=tolerance, ties=ties) == expected


def test_pointing_by_hand():
    region = torch.zeros(40, 40, dtype=torch.bool)
    region[0, 0] = True
    plane = torch.zeros(40, 40)
    for place, hits in [((0, 15), 0.0), ((0, 14), 1.0), ((9, 12), 0.0), ((9, 11), 1.0)]:
        one = plane.clone()
        one[place] = 1.0
        assert pointing_hit(one, region, tolerance=15) == hits
    assert pointing_hit(plane, region, tolerance=0) == 1 / 1600
    assert pointing_hit(plane, region, tolerance=0, ties="first") == 1.0
    assert pointing_hit(plane + 1, region.roll(5, 1), tolerance=0, ties="first") == 0.0
    assert pointing_hit(plane, region.roll(5, 1), tolerance=0, ties="any") == 1.0
    assert math.isnan(pointing_hit(plane, region & False))
    with pytest.raises(InputError, match="finite"):
        pointing_hit(plane / 0, region)


def test_a_cell_points_at_its_centre():
    plane = torch.tensor([[0.0, 0.0], [0.0, 1.0]])
    region = torch.zeros(8, 6, dtype=torch.bool)
    region[6, 4] = True
    assert pointing_hit(plane, region, tolerance=0) == 1.0


def test_near_a_region_larger_than_the_picture():
    region = region_of((0, 0, 1, 1))
    assert near_region(region, 50.0).all()


def test_the_pointing_game_by_class_and_by_chance():
    case = case_of(truth=truth_of(), targets=torch.tensor([0, 0, 1]))
    answer = metrics.parse("pointing-game:tolerance=0").reduce(
        [
            Values(
                float64([1, 0, 1]), extras={"target": case.targets, "chance": float64([0, 0.5, 1])}
            )
        ]
    )
    assert answer["value"] == pytest.approx(2 / 3)
    assert answer["mean_over_classes"] == pytest.approx(0.75)
    assert answer["chance"] == pytest.approx(0.5)
    constant = case_of(truth=truth_of(), saliency=torch.ones(3, 8, 6))
    found = metrics.parse("pointing-game:tolerance=0")(constant)
    assert_same(found.values, [15 / 48] * 3)
    assert_same(found.extras["chance"], found.values)


def test_the_pointing_game_on_the_raw_map():
    maps = torch.zeros(3, 4, 3, dtype=torch.float64)
    maps[:, 2, 1] = 1
    case = case_of(truth=truth_of(), maps=maps, saliency=torch.zeros(3, 8, 6))
    assert metrics.parse("pointing-game:tolerance=0,at=map")(case).values.tolist() == [1, 1, 1]


# --- energy -------------------------------------------------------------------------------------


def test_energy_on_an_asymmetric_box_in_a_picture_that_is_not_square():
    """Golden identity 7: swapping the axes gives another number."""
    plane = torch.arange(48.0).reshape(8, 6)
    case = case_of(n=1, truth=truth_of(1), saliency=plane[None] / 47)
    share = metrics.parse("energy-pointing-game")(case)
    by_hand = sum(6 * row + column for row in range(2, 7) for column in range(1, 4))
    assert float(share.values) == pytest.approx(by_hand / sum(range(48)))
    assert float(share.extras["chance"]) == pytest.approx(15 / 48)
    assert by_hand != sum(6 * row + column for column in range(2, 6) for row in range(1, 4))


def test_energy_and_coverage_are_their_replicas():
    boxes = [BOX, (3, 0, 6, 3)]
    maps = maps_of(4)
    case = case_of(n=4, saliency=maps, truth=truth_of(4, boxes))
    found = metrics.parse("energy-pointing-game")(case)
    assert_same(found.values, [replica.energy(m, boxes) for m in maps])
    covered = metrics.parse("object-coverage")(case)
    expected = [replica.coverage(m, boxes) for m in maps]
    assert_same(torch.stack([covered.values, covered.extras["evenness"]], 1), expected)
    mass = metrics.parse("relevance-mass")(case)
    assert_same(mass.values, found.values)


def test_energy_that_is_undefined():
    case = case_of(saliency=torch.zeros(3, 8, 6), truth=truth_of())
    metric = metrics.parse("energy-pointing-game")
    assert metric(case).values.isnan().all()
    assert metric.reduce([metric(case)])["undefined"] == 1.0
    several = case_of(truth=truth_of(3, [BOX, (0, 0, 1, 1)]))
    assert metrics.parse("energy-pointing-game:one_box=true")(several).values.isnan().all()
    assert metrics.parse("energy-pointing-game:largest=0.2")(several).values.isnan().all()
    with pytest.raises(InputError, match="negative"):
        energy_share(-torch.ones(1, 8, 6), region_of(BOX)[None])
    with pytest.raises(InputError, match="boxes"):
        metric(case_of())


def test_energy_of_a_constant_map_is_chance():
    case = case_of(saliency=torch.full((3, 8, 6), 0.5), truth=truth_of())
    answer = metrics.parse("energy-pointing-game").reduce(
        [metrics.parse("energy-pointing-game")(case)]
    )
    assert answer["value"] == answer["chance"]
    assert answer["lift"] == 1.0


def test_coverage_by_hand():
    boxes = torch.tensor([[0, 0, 2, 2], [4, 4, 6, 6]])
    plane = torch.zeros(8, 6)
    plane[0:2, 0:2] = 1.0
    assert object_coverage(plane, boxes) == (0.5, 0.0)
    plane[4:6, 4:6] = 0.5
    assert object_coverage(plane, boxes)[0] == 1.0
    plane[7, 0] = 0.01
    assert object_coverage(plane, boxes) == (1.0, 0.5)
    assert object_coverage(plane * 0, boxes)[0] == 0.0
    assert math.isnan(object_coverage(plane, torch.tensor([[0, 0, 6, 8]]))[0])
    assert math.isnan(object_coverage(plane, boxes[:0])[0])
    one = case_of(truth=truth_of())
    assert metrics.parse("object-coverage")(one).values.isnan().all()
    assert not metrics.parse("object-coverage:several=false")(one).values.isnan().any()


# --- average precision --------------------------------------------------------------------------


@pytest.mark.parametrize("ignore", [False, True])
def test_precision_is_its_replica(ignore):
    for seed in range(4):
        scores, y = maps_of(1, seed=seed)[0].numpy(), labels(seed, ignore=ignore)
        ours = pixel_average_precision(pixel_counts(scores, y))
        expected = replica.precision_average(scores.ravel().tolist(), y.ravel().tolist())
        assert ours == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("bins", ["even", "log"])
def test_histograms_are_those_of_the_published_code(bins):
    edges = even_edges() if bins == "even" else log_edges()
    assert len(edges) == 1003
    rng = np.random.default_rng(0)
    for seed in range(4):
        scores, y = rng.random((8, 6)) ** 12, labels(seed)
        scores[0, :2] = [0.0, 1.0]
        ours = pixel_average_precision(pixel_counts(scores, y), bins)
        thresholds = edges[:-3]
        assert ours == pytest.approx(replica.histogram_average(scores, y, thresholds), abs=1e-12)


def test_precision_by_hand():
    y = np.array([1, 0, 1, 0], dtype=np.uint8)
    assert average_precision(pixel_counts(np.array([0.9, 0.8, 0.7, 0.1]), y)) == pytest.approx(
        (1 + 2 / 3) / 2
    )
    assert average_precision(pixel_counts(np.full(4, 0.5), y)) == 0.5
    assert math.isnan(average_precision(pixel_counts(np.ones(4), y * 0)))
    assert math.isnan(average_precision(pooled([])))
    with pytest.raises(InputError, match="labels"):
        pixel_counts(np.ones(4), y + 1)
    with pytest.raises(InputError, match="finite"):
        pixel_counts(np.full(4, np.nan), y)


def test_one_more_positive_pixel_of_the_lowest_score():
    """Golden identity 10: AP' = (n AP + P / N) / (n + 1), exactly."""
    scores, y = np.array([5.0, 4, 3, 2, 1]), np.array([1, 0, 1, 0, 0], dtype=np.uint8)
    before = average_precision(pixel_counts(scores, y))
    after = average_precision(pixel_counts(np.append(scores, 0.0), np.append(y, 1)))
    prevalence = Fraction(3, 6)
    assert after == pytest.approx((2 * before + float(prevalence)) / 3, abs=1e-15)
    assert after != before


def test_log_bins_lose_the_lowest_pixels():
    scores, y = np.array([0.5, 1e-9, 1e-9, 1e-9]), np.array([1, 1, 0, 0], dtype=np.uint8)
    counts = pixel_counts(scores, y)
    assert pixel_average_precision(counts, "log") == 1.0
    assert pixel_average_precision(counts) == pytest.approx((1 + 0.5) / 2)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([np.exp, np.sqrt, lambda s: 3 * s + 1]))
def test_precision_ignores_monotone_rescaling(seed, rescaled):
    rng = np.random.default_rng(seed)
    scores, y = rng.integers(0, 9, 30) / 8, (rng.random(30) < 0.4).astype(np.uint8)
    y[0] = 1
    same = average_precision(pixel_counts(rescaled(scores), y))
    assert average_precision(pixel_counts(scores, y)) == pytest.approx(same, abs=1e-15)
    order = rng.permutation(30)
    assert average_precision(pixel_counts(scores[order], y[order])) == pytest.approx(
        same, abs=1e-15
    )


def test_pixels_are_pooled_over_batches():
    first, second = case_of(truth=truth_of()), case_of(saliency=maps_of(seed=9), truth=truth_of())
    metric = metrics.parse("pxap")
    answer = metric.reduce([metric(first), metric(second)])
    scores = torch.cat([first.saliency, second.saliency]).numpy()
    y = region_of(BOX).expand(6, -1, -1).numpy().astype(np.uint8)
    assert answer["value"] == average_precision(pixel_counts(scores, y))
    assert answer["per_image"] != pytest.approx(answer["value"], abs=1e-6)
    assert answer["chance"] == pytest.approx(15 / 48)
    even = metrics.parse("pxap:bins=even")
    assert even.reduce([even(first)])["value"] == pytest.approx(
        metric.reduce([metric(first)])["value"], abs=0.01
    )


def test_ignored_pixels_do_not_count():
    region, ignore = region_of(BOX)[None], torch.zeros(1, 8, 6, dtype=torch.bool)
    ignore[0, 0] = True
    truth = Truth(regions=region, ignore=ignore)
    found = metrics.parse("pxap")(case_of(n=1, truth=truth))
    kept = found.extras["labels"] != 255
    assert int(kept.sum()) == 42
    assert float(found.extras["chance"]) == pytest.approx(15 / 42)


# --- boxes and planted truth --------------------------------------------------------------------


def planted(n=6):
    region = region_of(BOX).expand(n, -1, -1).double()
    return {"perfect": region, "random": maps_of(n, seed=5), "inverted": 1 - region}


HIGHER = [
    "pointing-game:tolerance=0",
    "energy-pointing-game",
    "relevance-mass",
    "pxap",
    "pxap:bins=even",
    "max-box-acc",
    "max-box-acc-v2",
    "max-box-acc-v2:variant=wsolevaluation",
]


@pytest.mark.parametrize("name", HIGHER)
def test_the_planted_truth_comes_first(name):
    metric = metrics.parse(name)
    scores = {
        kind: metric.reduce([metric(case_of(n=6, saliency=maps, truth=truth_of(6)))])["value"]
        for kind, maps in planted().items()
    }
    assert scores["perfect"] == 1.0 or "wsolevaluation" in name
    assert scores["perfect"] > scores["random"] >= scores["inverted"]


def test_coverage_of_a_planted_truth():
    boxes = ((0, 0, 2, 3), (4, 4, 6, 8))
    region = region_of(*boxes).expand(4, -1, -1).double()
    metric = metrics.parse("object-coverage")
    kinds = (region, maps_of(4, seed=2), 1 - region)
    perfect, random, inverted = (
        metric.reduce([metric(case_of(n=4, saliency=m, truth=truth_of(4, boxes)))])["value"]
        for m in kinds
    )
    assert perfect == 1.0 > random > inverted == 0.0


def test_box_accuracy_answers():
    metric = metrics.parse("max-box-acc-v2:thresholds=20")
    found = metric(case_of(n=4, saliency=maps_of(4), truth=truth_of(4)))
    assert found.curves["overlap"].shape == (4, 20)
    answer = metric.reduce([found])
    assert answer["value"] == pytest.approx(np.mean([answer[f"at_{d}"] for d in (30, 50, 70)]))
    assert answer["crossed"] <= answer["value"]
    perfect = metric(case_of(n=4, saliency=planted(4)["perfect"], truth=truth_of(4)))
    assert chosen_on(metric, perfect, found)["value"] == 1.0
    none = Truth(boxes=tuple(torch.zeros(0, 4) for _ in range(4)))
    with pytest.raises(InputError, match="no image has a box"):
        metric.reduce([metric(case_of(n=4, truth=none))])


@pytest.mark.parametrize("name", [*HIGHER, "object-coverage"])
def test_a_batch_is_its_images_in_any_order(name):
    boxes = ((1, 2, 4, 7), (4, 0, 6, 2))
    truth, metric = truth_of(3, boxes), metrics.parse(name)
    maps = maps_of(3)
    whole = metric(case_of(saliency=maps, truth=truth))
    turned = metric(case_of(saliency=maps.flip(0), truth=truth))
    for a, b in zip((whole.values,), (turned.values,), strict=True):
        if a is not None:
            torch.testing.assert_close(a.flip(0), b, equal_nan=True)
    for key, column in whole.curves.items():
        torch.testing.assert_close(column.flip(0), turned.curves[key])
    assert metric.reduce([whole]).keys() == metric.reduce([turned]).keys()
