"""HiRes-CAM: every cell by its own gradient."""

import pytest
import torch

from regionwise import explain, explain_all
from regionwise.attribution.hires_cam import hires_cam_map
from replicas.common import array
from replicas.hires_cam import hires_cam, hires_cam_of
from samples import SHAPES, assert_same, chosen, evidence, float64


@pytest.mark.parametrize("relu", [True, False], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica(shape, relu):
    activations, gradients = evidence(shape, signed=True)
    ours = hires_cam_map(activations, gradients, relu=relu)
    assert_same(ours, hires_cam(activations, gradients, relu=relu))


def test_by_hand():
    activations = float64([[[[1.0, 3.0]], [[2.0, -1.0]]]])
    gradients = float64([[[[[1.0, -1.0]], [[0.5, 4.0]]]]])
    # 1 * 1 + 0.5 * 2 = 2;  -1 * 3 + 4 * -1 = -7
    assert_same(hires_cam_map(activations, gradients), [[[[2.0, 0.0]]]])
    assert_same(hires_cam_map(activations, gradients, relu=False), [[[[2.0, -7.0]]]])


@pytest.mark.parametrize("relu", [True, False], ids=["rectified", "signed"])
def test_on_networks(pooled_net, deep_tail_net, images, relu):
    targets = chosen([0, 3], [2, 2], [1, 0])
    method = f"hires-cam:relu={relu}"
    for model, layer in ((pooled_net, "features"), (deep_tail_net, "stem")):
        ours = explain(model, images, method, targets=targets, layer=layer)
        expected = hires_cam_of(model.trunk, model.tail, images, targets, relu=relu)
        assert array(expected).max() > 0
        assert_same(ours.maps, expected)


def test_behind_pooling_it_is_cam_and_adds_up_to_the_score(pooled_net, images):
    names = ["hires-cam:relu=false", "grad-cam:relu=false", "xgrad-cam:relu=false", "cam"]
    found = explain_all(pooled_net, images, names, targets="top-2", layer="features")
    hires, grad, xgrad, cam = (found[name].maps for name in names)
    assert hires.abs().max() > 0.01
    assert_same(hires, grad)
    assert_same(hires, xgrad)
    assert_same(hires * 12, cam)
    index = found["cam"].targets
    assert_same(hires.sum((2, 3)), found["cam"].scores - pooled_net.fc.bias[index])


def test_elsewhere_it_is_not_grad_cam(deep_tail_net, images):
    found = explain_all(deep_tail_net, images, ["hires-cam", "grad-cam"], targets=1, layer="stem")
    hires, grad = (a.maps / a.maps.amax() for a in found.values())
    assert not torch.allclose(hires, grad, atol=0.05)
