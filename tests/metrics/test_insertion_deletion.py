"""Insertion and deletion: replicas, published variants, lines and constants, planted truth."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F  # noqa: N812

from metric_cases import Constant, Mean, Planted, case_of, maps_of, network, pixels, uniform
from regionwise.errors import SettingError
from regionwise.metrics.altered import box_blur, filling, rise_blur
from regionwise.metrics.insertion_deletion import Deletion, Insertion, area_under, step_counts
from regionwise.metrics.ranking import ranks_of
from replicas import metrics_removal as replica
from samples import assert_same, float64


@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize(("kind", "fill"), [(Deletion, "mean"), (Insertion, "blur-rise")])
def test_replica(kind, fill, score):
    case = case_of()
    metric = kind(fill=fill, steps=7, score=score)
    counts = [k * 48 // 7 for k in range(8)]
    levels = [count / 48 for count in counts]
    instead = filling(case.inputs, fill)
    found = metric(case)
    assert found.levels == tuple(levels)
    for n in range(len(case)):
        expected = replica.curve(
            network(), case.inputs[n], instead[n], replica.descending(case.saliency[n]), counts,
            target=int(case.targets[n]), score=score, insert=kind is Insertion,
        )  # fmt: skip
        assert_same(found.curves["score"][n], expected)
        assert float(found.values[n]) == pytest.approx(replica.trapezoid(expected, levels))


def test_steps_by_hand():
    assert step_counts(10, steps=4) == (0, 2, 5, 7, 10)
    assert step_counts(3, steps=100) == (0, 1, 2, 3)
    assert step_counts(10, pixels=4) == (0, 4, 8, 10)
    assert step_counts(8, pixels=4) == (0, 4, 8)


def test_area_by_hand():
    assert_same(area_under(float64([[1, 0.5, 0], [0.3, 0.3, 0.3]]), float64([0, 0.2, 1])),
                [0.15 + 0.2, 0.3])  # fmt: skip


def test_equal_values_go_in_reading_order():
    maps = float64([[[0.5, 1.0], [0.5, 0.0]]])
    assert ranks_of(maps).tolist() == [[[1, 0], [2, 3]]]
    assert ranks_of(maps, "last").tolist() == [[[2, 0], [1, 3]]]
    numpys = np.flip(np.argsort(maps.flatten().numpy(), kind="stable"))  # as RISE's code does
    assert torch.argsort(ranks_of(maps, "last").flatten()).tolist() == numpys.tolist()


def test_deletion_of_a_linear_network_has_half_the_area():
    case = case_of(Mean(), inputs=uniform(1.0)[:, None].repeat(1, 3, 1, 1),
                   targets=torch.zeros(3, dtype=torch.int64))  # fmt: skip
    for metric in (Deletion(score="logit"), Insertion(score="logit", fill="mean", steps=5)):
        assert metric(case).values.tolist() == pytest.approx([0.5] * 3)


def test_a_constant_network_has_its_constant():
    case = case_of(Constant(), targets=torch.zeros(3, dtype=torch.int64))
    p = float(torch.tensor([1.0, 0.0, -1.0]).softmax(0)[0])
    for metric in (Deletion(), Insertion()):
        assert metric(case).values.tolist() == pytest.approx([p] * 3)


def test_insertion_backwards_is_deletion():
    """What comes in one order goes in the other: the same images, read from behind."""
    maps = maps_of() + torch.arange(48).reshape(8, 6) * 1e-5  # no two are equal
    maps = maps / maps.amax((1, 2), keepdim=True)
    forth = Insertion(fill="mean", steps=48)(case_of(saliency=maps))
    back = Deletion(steps=48)(case_of(saliency=1 - maps))
    assert_same(forth.curves["score"], back.curves["score"].flip(1))


@settings(max_examples=10, deadline=None)
@given(power=st.floats(0.3, 4.0))
def test_only_the_order_counts(power):
    maps = maps_of()
    assert_same(
        Deletion(steps=6)(case_of(saliency=maps)).values,
        Deletion(steps=6)(case_of(saliency=maps**power)).values,
    )


def planted():
    region = torch.zeros(8, 6, dtype=torch.float64)
    region[2:5, 1:4] = 1
    inputs = pixels().abs() * 0.1
    inputs[:, :, 2:5, 1:4] += 1
    found = {}
    for name, maps in {
        "perfect": region.expand(3, 8, 6),
        "random": maps_of(seed=6),
        "inverted": 1 - region.expand(3, 8, 6),
    }.items():
        targets = torch.zeros(3, dtype=torch.int64)
        found[name] = case_of(Planted(region), inputs=inputs, saliency=maps, targets=targets)
    return found


def test_planted_truth_is_ranked():
    cases = planted()
    for metric, sign in ((Deletion(), -1), (Insertion(), 1), (Insertion(fill="mean"), 1)):
        perfect, random, inverted = (
            sign * float(metric(cases[name]).values.mean())
            for name in ("perfect", "random", "inverted")
        )
        assert perfect > random + 0.05 > inverted + 0.1


def test_cells_of_the_raw_map():
    maps = float64([[[0.1, 0.9], [0.5, 0.3]]])
    case = case_of(n=1, saliency=maps_of(1), maps=maps)
    found = Deletion(resolution="map", steps=4)(case)
    assert found.levels == (0, 0.25, 0.5, 0.75, 1)
    large = F.interpolate(maps[None], (8, 6), mode="nearest")[0]
    same = Deletion(pixels=12)(case_of(n=1, saliency=large))
    assert_same(found.curves["score"], same.curves["score"])


def test_the_area_of_the_mean_curve_is_the_mean_area():
    found = Deletion(steps=9)(case_of())
    curve = found.curves["score"].mean(0, keepdim=True)
    assert float(area_under(curve, float64(found.levels))) == pytest.approx(
        Deletion().reduce([found])["value"]
    )


def test_curves_are_scored_once():
    case = case_of()
    Deletion(steps=6)(case)
    passes = case.judge.passes
    assert passes == 7 * len(case)
    Deletion(steps=6, score="logit")(case)
    assert case.judge.passes == passes


def test_the_blur_of_rise():
    point = np.zeros((11, 11))
    point[5, 5] = 1
    kernel = torch.from_numpy(gaussian_filter(point, 5))
    inputs = pixels(2, 14, 9)
    planes = F.conv2d(inputs.reshape(6, 1, 14, 9), kernel[None, None], padding=5)
    assert_same(rise_blur(inputs), planes.reshape(2, 3, 14, 9))


def test_the_box_by_hand():
    row = float64([[[[0.0, 3.0, 6.0, 0.0, 3.0]]]])
    assert_same(box_blur(row, 3)[0, 0, 0], [2, 3, 3, 3, 1])
    assert_same(box_blur(row, 1), row)


def test_two_ways_of_stepping_are_refused():
    with pytest.raises(SettingError, match="not both"):
        Deletion(steps=10, pixels=224)
