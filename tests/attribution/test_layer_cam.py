"""Layer-CAM: ReLU(sum_k ReLU(g_k) A_k), cell by cell."""

import pytest
import torch

from regionwise import explain
from regionwise.attribution.layer_cam import layer_cam_map
from replicas.common import array
from replicas.layer_cam import layer_cam, layer_cam_of
from samples import SHAPES, assert_same, chosen, evidence, float64


@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica(shape, signed):
    activations, gradients = evidence(shape, signed=signed)
    assert_same(layer_cam_map(activations, gradients), layer_cam(activations, gradients))


def test_by_hand():
    activations = float64([[[[1.0, 2.0], [3.0, 4.0]], [[1.0, 1.0], [-1.0, -9.0]]]])
    gradients = float64([[[[[1.0, -1.0], [0.5, 1.0]], [[2.0, 0.0], [1.0, 1.0]]]]])
    #           1*1 + 2*1   0 + 0   0.5*3 - 1   4 - 9 < 0
    assert layer_cam_map(activations, gradients).tolist() == [[[[3.0, 0.0], [0.5, 0.0]]]]


@pytest.mark.parametrize("layer", ["features", "stem"])
def test_on_networks(pooled_net, deep_tail_net, images, layer):
    model = pooled_net if layer == "features" else deep_tail_net
    targets = chosen([0, 3], [2, 2], [1, 0])
    ours = explain(model, images, "layer-cam", targets=targets, layer=layer)
    expected = layer_cam_of(model.trunk, model.tail, images, targets)
    assert array(expected).max() > 0
    assert_same(ours.maps, expected)


def test_negative_slopes_take_nothing_away():
    activations, gradients = evidence((2, 2, 3, 3, 2), signed=False)
    assert torch.equal(
        layer_cam_map(activations, gradients), layer_cam_map(activations, gradients.clamp(min=0))
    )
    assert not layer_cam_map(activations, -gradients.abs()).any()
