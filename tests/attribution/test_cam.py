"""CAM: sum_k w_ck A_k."""

import pytest
import torch

from regionwise import explain
from regionwise.attribution.cam import class_activation_map
from replicas.cam import cam
from samples import SHAPES, assert_same, chosen, evidence, float64


@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica(shape, signed):
    activations, gradients = evidence(shape, signed=signed)
    weights, bias = gradients[..., 0, 0], gradients.sum((2, 3, 4))
    assert_same(class_activation_map(activations, weights), cam(activations, weights))
    assert_same(class_activation_map(activations, weights, bias), cam(activations, weights, bias))


def test_by_hand():
    activations = float64([[[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, -1.0]]]])
    weights = float64([[[2.0, -1.0], [-1.0, 0.0]]])
    expected = [[[[2.0, 3.0], [6.0, 9.0]], [[-1.0, -2.0], [-3.0, -4.0]]]]
    assert class_activation_map(activations, weights).tolist() == expected
    with_bias = class_activation_map(activations, weights, float64([[0.5, 1.0]]))
    assert with_bias.tolist() == [[[[2.5, 3.5], [6.5, 9.5]], [[0.0, -1.0], [-2.0, -3.0]]]]


def test_on_a_network(pooled_net, images):
    targets = chosen([0, 3], [2, 2], [1, 0])
    weights = pooled_net.fc.weight[targets]
    ours = explain(pooled_net, images, "cam", targets=targets, layer="features")
    assert_same(ours.maps, cam(pooled_net.trunk(images), weights))


def test_the_map_without_bias_averages_to_the_logit_without_bias(pooled_net, images):
    targets = chosen([0, 1, 2, 3], [0, 1, 2, 3], [0, 1, 2, 3])
    maps = explain(pooled_net, images, "cam", targets=targets, layer="features").maps
    assert_same(maps.mean((2, 3)), pooled_net(images) - pooled_net.fc.bias)


def test_negative_evidence_stays_in_the_raw_map(pooled_net, images):
    maps = explain(pooled_net, images, "cam", targets=0, layer="features").maps
    assert (maps < 0).any()
    assert (maps.min() < 0 < maps.max()) or (maps < 0).all()


def test_no_activation_gives_zeros():
    maps = class_activation_map(torch.zeros(1, 3, 2, 2), torch.ones(1, 2, 3))
    assert torch.equal(maps, torch.zeros(1, 2, 2, 2))
