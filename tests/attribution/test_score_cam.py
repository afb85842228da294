"""Score-CAM in its four versions."""

import math

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.attribution.score_cam import channel_weights_of, score_cam_map
from replicas.common import array
from replicas.score_cam import VARIANTS, score_cam, score_cam_of, weights_from_logits
from samples import SHAPES, assert_same, chosen, evidence, float64


def logits(n, k, y, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64) * 3

    return draw(n, k, y), draw(n, y), draw(n, y)


@pytest.mark.parametrize("relu", [True, False], ids=["relu", "no-relu"])
@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica_of_the_sum(shape, signed, relu):
    activations, gradients = evidence(shape, signed=signed)
    weights = gradients[..., 0, 0]
    ours = score_cam_map(activations, weights, relu=relu)
    assert_same(ours, score_cam(activations, weights, relu=relu))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(("n", "k", "y"), [(1, 1, 2), (2, 5, 3), (3, 4, 7)])
def test_replica_of_the_weights(variant, n, k, y):
    masked, whole, baseline = logits(n, k, y)
    targets = torch.tensor([[image % y, 1] for image in range(n)])
    ours = channel_weights_of(masked, whole, baseline, targets, variant=variant)
    assert_same(ours, weights_from_logits(masked, whole, baseline, targets, variant=variant))


def test_weights_by_hand():
    three = math.log(3.0)
    masked = float64([[[0.0, three], [three, 0.0]]])  # p = (1/4, 3/4) and (3/4, 1/4)
    nothing = float64([[0.0, 0.0]])
    targets = chosen([0, 1])
    code = channel_weights_of(masked, nothing, nothing, targets, variant="code")
    assert_same(code, [[[0.25, 0.75], [0.75, 0.25]]], tolerance=1e-15)
    for variant in ("paper", "pytorch-grad-cam", "torch-cam"):
        # softmax over channels of (0, log 3): the same numbers by accident of two by two
        ours = channel_weights_of(masked, nothing, nothing, targets, variant=variant)
        assert_same(ours, [[[0.25, 0.75], [0.75, 0.25]]], tolerance=1e-15)
    shifted = masked + float64([[[2.0, 0.0], [0.0, 0.0]]])  # channel 0 favours class 0 by 2 logits
    e2 = math.exp(2.0)
    code = channel_weights_of(shifted, nothing, nothing, targets, variant="code")
    assert_same(code, [[[e2 / (e2 + 3), 0.75], [3 / (e2 + 3), 0.25]]], tolerance=1e-15)
    paper = channel_weights_of(shifted, nothing, nothing, targets, variant="paper")
    assert_same(paper, [[[e2 / (e2 + 3), 3 / (e2 + 3)], [0.75, 0.25]]], tolerance=1e-15)


def test_map_by_hand():
    activations = float64([[[[1.0, 0.0], [0.0, 2.0]], [[0.0, 4.0], [0.0, 0.0]]]])
    weights = float64([[[0.5, 0.25], [1.0, -1.0]]])
    expected = [[[[0.5, 1.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 2.0]]]]
    assert score_cam_map(activations, weights).tolist() == expected
    signed = score_cam_map(activations, weights, relu=False)
    assert signed[0, 1].tolist() == [[1.0, -4.0], [0.0, 2.0]]


@pytest.mark.parametrize("variant", ["paper", "pytorch-grad-cam", "torch-cam"])
def test_a_constant_subtracted_before_the_channel_softmax_is_lost(variant):
    masked, whole, baseline = logits(2, 5, 3)
    targets = chosen([0, 2], [1, 1])
    ours = channel_weights_of(masked, whole, baseline, targets, variant=variant)
    other = channel_weights_of(masked, whole + 5, baseline - 7, targets, variant=variant)
    assert_same(ours, other)
    assert_same(ours.sum(2), np.ones((2, 2)))


def test_the_code_softmax_runs_over_classes_and_not_over_channels():
    masked, whole, baseline = logits(1, 4, 3)
    everything = channel_weights_of(masked, whole, baseline, chosen([0, 1, 2]), variant="code")
    assert_same(everything.sum(1), np.ones((1, 4)))
    assert not torch.allclose(everything.sum(2), torch.ones(1, 3, dtype=torch.float64), atol=0.01)


@pytest.mark.parametrize("variant", VARIANTS)
def test_on_a_network(pooled_net, images, variant):
    targets = chosen([0, 3], [2, 2], [1, 0])
    method = f"score-cam:variant={variant}"
    ours = explain(pooled_net, images, method, targets=targets, layer="features")
    expected = score_cam_of(pooled_net, pooled_net.trunk, images, targets, variant=variant)
    assert array(expected).max() > 0
    assert_same(ours.maps, expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_on_a_signed_layer(deep_tail_net, images, variant):
    targets = chosen([0], [2], [4])
    method = f"score-cam:variant={variant}"
    ours = explain(deep_tail_net, images, method, targets=targets, layer="stem")
    expected = score_cam_of(deep_tail_net, deep_tail_net.trunk, images, targets, variant=variant)
    assert array(expected).max() > 0
    assert_same(ours.maps, expected)


def test_the_default_is_the_authors_code(pooled_net, images):
    default = explain(pooled_net, images, "score-cam", targets=1, layer="features")
    code = explain(pooled_net, images, "score-cam:variant=code", targets=1, layer="features")
    assert torch.equal(default.maps, code.maps)


@pytest.mark.parametrize("variant", VARIANTS)
def test_constant_and_dead_channels_stay_finite(pooled_net, images, variant):
    """Channel 0 is dead, channel 1 a constant 0.7: their masks have no range to stretch."""
    with torch.no_grad():
        last = pooled_net.features[2]
        last.weight[:2] = 0
        last.bias[0], last.bias[1] = -1.0, 0.7
    targets = chosen([0], [1], [2])
    method = f"score-cam:variant={variant}"
    ours = explain(pooled_net, images, method, targets=targets, layer="features")
    expected = score_cam_of(pooled_net, pooled_net.trunk, images, targets, variant=variant)
    assert torch.isfinite(ours.maps).all()
    assert_same(ours.maps, expected)


def test_a_blank_layer_gives_a_blank_map_and_says_so(pooled_net, images):
    with torch.no_grad():
        pooled_net.features[2].weight.zero_()
        pooled_net.features[2].bias.fill_(-1.0)
    ours = explain(pooled_net, images, "score-cam", targets=1, layer="features")
    assert not ours.maps.any()
    assert all(row for row in ours.flags)
