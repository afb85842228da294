"""ScoreCAM++: the gate is the mask and the term of the sum."""

import math

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.attribution.score_cam_pp import gate, score_cam_pp_map
from replicas.common import array
from replicas.saliency import saliency
from replicas.score_cam import score_cam
from replicas.score_cam_pp import ACTIVATIONS, gated, score_cam_pp_of
from samples import SHAPES, assert_same, chosen, evidence, float64

LN2, LN3 = math.log(2.0), math.log(3.0)
BY_HAND = {
    # x = ln 2 and x = -ln 3; e^x = 2 and 1/3
    "tanh": (0.6, -0.8),
    "relu": (LN2, 0.0),
    "sigmoid": (2 / 3, 0.25),
    "sig-relu": (2 / 3, 0.5),
    "mish": (0.8 * LN2, -LN3 * ((4 / 3) ** 2 - 1) / ((4 / 3) ** 2 + 1)),
    "swish": (2 / 3 * LN2, -LN3 / 4),
}


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gate_by_hand(activation):
    ours = gate(float64([[[[LN2, -LN3, 0.0]]]]), activation)
    at_zero = 0.5 if activation in ("sigmoid", "sig-relu") else 0.0
    assert_same(ours, [[[[*BY_HAND[activation], at_zero]]]], tolerance=1e-15)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gate_replica(activation):
    activations, _ = evidence((1, 1, 1, 7, 5), signed=True)
    ours = gate(activations * 10, activation)
    assert_same(ours[0, 0], gated(array(activations[0, 0] * 10), activation))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_gate_stays_finite_far_out(activation):
    far = float64([[[[-1e4, -800.0, 800.0, 1e4]]]])
    assert torch.isfinite(gate(far, activation)).all()
    assert_same(gate(far, activation)[0, 0], gated(array(far[0, 0]), activation))


@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica_of_the_sum(shape, signed):
    gates, gradients = evidence(shape, signed=signed)
    weights = gradients[..., 0, 0]
    assert_same(score_cam_pp_map(gates, weights), score_cam(gates, weights))


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
@pytest.mark.parametrize("layer", ["features", "stem"])
def test_on_networks(pooled_net, deep_tail_net, images, layer, activation):
    model = pooled_net if layer == "features" else deep_tail_net
    targets = chosen([0, 3], [2, 2], [1, 0])
    method = f"score-cam++:activation={activation}"
    ours = explain(model, images, method, targets=targets, layer=layer)
    expected = score_cam_pp_of(model, model.trunk, images, targets, activation=activation)
    assert ours.maps.shape == (3, 2, 16, 12)
    assert array(expected).max() > 0
    assert_same(ours.maps, expected)


@pytest.mark.parametrize("activation", ["tanh", "mish"])
def test_mask_only(pooled_net, images, activation):
    targets = chosen([0, 3], [2, 2], [1, 0])
    method = f"score-cam++:activation={activation},variant=mask-only"
    ours = explain(pooled_net, images, method, targets=targets, layer="features")
    expected = score_cam_pp_of(
        pooled_net, pooled_net.trunk, images, targets, activation=activation, variant="mask-only"
    )
    both = explain(
        pooled_net,
        images,
        f"score-cam++:activation={activation}",
        targets=targets,
        layer="features",
    )
    assert not np.allclose(
        array(both.saliency((16, 12))), array(ours.saliency((16, 12))), atol=0.01
    )
    # the raw channels may be summed at the layer or at the image: the saliency is the same
    assert_same(ours.saliency((16, 12)), saliency(expected, (16, 12)))


@pytest.mark.parametrize("layer", ["features", "stem"])
def test_equation_ten_as_printed(pooled_net, deep_tail_net, images, layer):
    model = pooled_net if layer == "features" else deep_tail_net
    targets = chosen([0, 3], [2, 2], [1, 0])
    ours = explain(model, images, "score-cam++:variant=equation", targets=targets, layer=layer)
    expected = score_cam_pp_of(model, model.trunk, images, targets, variant="equation")
    assert array(expected).max() > 0
    assert_same(ours.maps, expected)


def test_equation_ten_leaves_blank_maps_of_a_sure_network(pooled_net, images):
    """Every masked image speaks less for the top class than the whole: all weights are negative."""
    with torch.no_grad():
        pooled_net.fc.weight.zero_()
        pooled_net.fc.weight[1] = 5.0  # the more there is to see, the surer class 1
        pooled_net.fc.bias.zero_()
        pooled_net.features[2].bias.zero_()
        pooled_net.features[0].bias.zero_()
    printed = explain(
        pooled_net, images, "score-cam++:variant=equation", targets=1, layer="features"
    )
    assert not printed.maps.any()
    assert all("no positive evidence" in row[0] for row in printed.flags)
    assert explain(pooled_net, images, "score-cam++", targets=1, layer="features").maps.any()


def test_the_default_is_tanh_and_nothing_is_subtracted(pooled_net, images):
    targets = chosen([0], [1], [2])
    ours = explain(pooled_net, images, "score-cam++", targets=targets, layer="features")
    expected = score_cam_pp_of(pooled_net, pooled_net.trunk, images, targets)
    assert_same(ours.maps, expected)
    assert all(ours.maps[image].max() > 0 for image in range(3))


def test_a_blank_layer_gives_a_blank_map_and_says_so(pooled_net, images):
    with torch.no_grad():
        pooled_net.features[2].weight.zero_()
        pooled_net.features[2].bias.fill_(-1.0)
    ours = explain(pooled_net, images, "score-cam++", targets=1, layer="features")
    assert not ours.maps.any()
    assert all(row for row in ours.flags)
