"""Borders, components and boxes: against flooding, by hand, and the published code's answers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regionwise.errors import InputError
from regionwise.metrics.average_precision import pixel_average_precision, pixel_counts, pooled
from regionwise.metrics.boxes import box_iou, resized_boxes
from regionwise.metrics.components import components_above
from regionwise.metrics.contours import contours_of
from regionwise.metrics.max_box_acc import (
    component_overlaps,
    contour_overlaps,
    even_thresholds,
    max_box_accuracy,
)
from replicas import metrics_localisation as replica

GOLDEN = Path(__file__).parents[1] / "golden" / "wsol.npz"
DELTAS = (0.3, 0.5, 0.7)


def masks(seed, count):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield rng.random(tuple(rng.integers(1, 11, 2))) < rng.choice([0.3, 0.55, 0.8, 0.93])


def found(mask):
    return sorted((c.area, c.box, c.is_hole) for c in contours_of(mask))


def test_borders_enclose_what_flooding_finds():
    holes = 0
    for mask in masks(0, 120):
        assert found(mask) == replica.borders(mask)
        holes += sum(c.is_hole for c in contours_of(mask))
    assert holes > 50


def test_borders_come_in_the_order_of_opencv():
    cv2 = pytest.importorskip("cv2")
    for mask in masks(1, 150):
        theirs = cv2.findContours(mask.astype(np.uint8), cv2.RETR_TREE, cv2.CHAIN_APPROX_NONE)[0]
        boxes = [cv2.boundingRect(c) for c in theirs]
        expected = [(cv2.contourArea(c), (x, y, x + w, y + h))
                    for c, (x, y, w, h) in zip(theirs, boxes, strict=True)]  # fmt: skip
        assert [(c.area, c.box) for c in contours_of(mask)] == expected


def test_a_ring_by_hand():
    ring = np.zeros((6, 7), dtype=bool)
    ring[1:5, 1:6] = True
    ring[2:4, 2:5] = False
    outer, hole = contours_of(ring)
    assert (outer.area, outer.box, outer.is_hole) == (12.0, (1, 1, 6, 5), False)
    assert (hole.area, hole.box, hole.is_hole) == (10.0, (1, 1, 6, 5), True)
    assert sorted(map(tuple, outer.points.tolist())) == sorted(
        (x, y) for y, x in zip(*np.nonzero(ring), strict=True)
    )


@pytest.mark.parametrize("which", ["largest", "any"])
def test_component_overlaps_are_those_of_flooding(which):
    rng = np.random.default_rng(3)
    for _ in range(12):
        plane = rng.integers(0, 6, (7, 9)) / 5
        truth = np.array([[1, 1, 5, 4], [4, 2, 9, 7]])
        thresholds = [0.7, 0.0, 0.3, 0.3, 1.0]
        ours = component_overlaps(plane, truth, thresholds, which)
        expected = replica.component_overlaps(plane, truth.tolist(), thresholds, which)
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-12)


def test_components_touch_at_corners():
    plane = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 0.5]])
    (_, boxes, counts), (_, low, _) = components_above(plane, [0.2, 0.7])
    assert boxes.tolist() == [[0, 0, 2, 2]]
    assert counts.tolist() == [2]
    assert low.tolist() == [[0, 0, 3, 3]]


def test_overlap_by_hand():
    a, b = np.array([[0, 0, 4, 2]]), np.array([[2, 0, 6, 2], [9, 9, 9, 9]])
    np.testing.assert_allclose(box_iou(a, b), [[1 / 3, 0]])
    np.testing.assert_allclose(box_iou(a, b, extra=1)[0, 0], 9 / 21)
    assert box_iou(b[1:], b[1:]).tolist() == [[0.0]]
    with pytest.raises(InputError, match="shape"):
        box_iou(np.zeros(4), b)


def test_boxes_of_a_picture_that_is_not_square():
    box = np.array([[10, 20, 30, 50]])
    moved = resized_boxes(box, (100, 200), (50, 50))
    assert moved.tolist() == [[2.5, 10.0, 7.5, 25.0]]
    assert resized_boxes(box, (100, 200), (50, 50), truncate=True).tolist() == [[2, 10, 7, 25]]


def test_the_best_threshold_may_be_chosen_elsewhere():
    curves = np.array([[0.9, 0.2], [0.9, 0.6], [0.1, 0.6]])
    other = np.array([[0.1, 0.8]])
    own = max_box_accuracy(curves, [0.0, 0.5], required=(0.5,))
    assert (own.mean, own.thresholds) == (pytest.approx(2 / 3), (0.0,))
    apart = max_box_accuracy(curves, [0.0, 0.5], required=(0.8,), chosen_on=other)
    assert (apart.mean, apart.thresholds) == (0.0, (0.5,))
    with pytest.raises(InputError, match="fit"):
        max_box_accuracy(curves, [0.0])


def test_maps_outside_the_range_are_refused_and_nan_is_empty():
    truth = np.array([[0, 0, 2, 2]])
    with pytest.raises(InputError, match="min-max"):
        component_overlaps(np.full((3, 3), 2.0), truth, [0.0])
    blank = np.full((3, 3), np.nan)
    assert component_overlaps(blank, truth, [0.0]).tolist() == [0.0]
    assert contour_overlaps(blank, np.array([[1, 1, 2, 2]]), [0.0]).tolist() == [0.0]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_the_best_box_is_at_least_as_good_as_the_largest(seed):
    rng = np.random.default_rng(seed)
    plane, truth = rng.random((6, 8)), np.array([[1, 2, 5, 6]])
    for overlaps in (component_overlaps, contour_overlaps):
        largest = overlaps(plane, truth, even_thresholds(10), "largest")
        assert (overlaps(plane, truth, even_thresholds(10), "any") >= largest).all()


def golden():
    with np.load(GOLDEN) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    return found["values"][found["cells"]], found


@pytest.mark.parametrize(("version", "which"), [("v1", "largest"), ("v2", "any")])
def test_boxes_are_those_of_the_published_code(version, which):
    maps, arrays = golden()
    levels = np.arange(0, 1, 0.01)
    pairs = zip(maps, arrays["boxes"], strict=True)
    curves = np.stack([contour_overlaps(m, b[None], levels, which) for m, b in pairs])
    for delta in DELTAS:
        counts = arrays[f"box_correct/{version}/iou{round(100 * delta)}"]
        assert np.array_equal((curves >= delta).sum(axis=0), counts)
    shares = np.array(max_box_accuracy(curves, levels, required=DELTAS).accuracies)
    np.testing.assert_allclose(100 * shares, arrays[f"max_box_acc/{version}"], rtol=1e-14)


def test_components_stay_close_to_the_published_code():
    """What the default costs in agreement on these 12 maps."""
    maps, arrays = golden()
    levels = np.arange(0, 1, 0.01)
    pairs = list(zip(maps, arrays["boxes"], strict=True))
    ours = np.stack([component_overlaps(m, b[None], levels) for m, b in pairs])
    theirs = np.stack([contour_overlaps(m, b[None], levels) for m, b in pairs])
    assert np.abs(ours - theirs).mean() == pytest.approx(0.0106, abs=5e-5)
    found = [max_box_accuracy(curves, levels).accuracies for curves in (ours, theirs)]
    assert found[0] == pytest.approx((11 / 12, 10 / 12, 8 / 12))
    assert found[1] == pytest.approx((12 / 12, 10 / 12, 8 / 12))


def test_pixel_average_precision_is_that_of_the_published_code():
    maps, arrays = golden()
    counts = pooled(pixel_counts(m, mask) for m, mask in zip(maps, arrays["masks"], strict=True))
    even = 100 * pixel_average_precision(counts, "even")
    assert even == pytest.approx(float(arrays["pxap"]), rel=1e-13)
    assert abs(100 * pixel_average_precision(counts) - even) < 0.1
