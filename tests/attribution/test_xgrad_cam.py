"""XGrad-CAM: w_k = sum(A_k g_k) / sum(A_k)."""

import pytest
import torch

from regionwise import explain
from regionwise.attribution.xgrad_cam import xgrad_cam_map
from replicas.common import array
from replicas.xgrad_cam import xgrad_cam, xgrad_cam_of
from samples import SHAPES, assert_same, chosen, evidence, float64


@pytest.mark.parametrize("relu", [True, False], ids=["relu", "no-relu"])
@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica(shape, signed, relu):
    activations, gradients = evidence(shape, signed=signed)
    ours = xgrad_cam_map(activations, gradients, relu=relu)
    assert_same(ours, xgrad_cam(activations, gradients, relu=relu))


def test_by_hand():
    # weights (1*2 + 3*(-1)) / 4 = -1/4 and (2*1 + 2*1) / 4 = 1
    activations = float64([[[[1.0, 3.0]], [[2.0, 2.0]]]])
    gradients = float64([[[[[2.0, -1.0]], [[1.0, 1.0]]]]])
    signed = xgrad_cam_map(activations, gradients, relu=False)
    assert signed.tolist() == [[[[1.75, 1.25]]]]
    alone = xgrad_cam_map(activations[:, :1], gradients[:, :, :1], relu=False)
    assert alone.tolist() == [[[[-0.25, -0.75]]]]
    assert not xgrad_cam_map(activations[:, :1], gradients[:, :, :1]).any()


@pytest.mark.parametrize("layer", ["features", "stem"])
def test_on_networks(pooled_net, deep_tail_net, images, layer):
    model = pooled_net if layer == "features" else deep_tail_net
    targets = chosen([0, 3], [2, 2], [1, 0])
    ours = explain(model, images, "xgrad-cam", targets=targets, layer=layer)
    expected = xgrad_cam_of(model.trunk, model.tail, images, targets)
    assert array(expected).max() > 0
    assert_same(ours.maps, expected)


def test_conservation(deep_tail_net, images):
    """The axiom behind the weights: sum_k sum_ij w_k A_k = sum_k sum_ij g_k A_k."""
    activations, gradients = evidence((2, 2, 4, 3, 3), signed=False)
    total = xgrad_cam_map(activations, gradients, relu=False).sum((2, 3))
    assert_same(total, torch.einsum("nkij,ntkij->nt", activations, gradients))


def test_a_channel_that_sums_to_zero_has_no_weight():
    activations = float64([[[[1.0, -1.0]], [[2.0, 2.0]]]])
    gradients = float64([[[[[5.0, -5.0]], [[1.0, 1.0]]]]])
    ours = xgrad_cam_map(activations, gradients, relu=False)
    assert ours.tolist() == [[[[2.0, 2.0]]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_channel_that_cancels_up_to_rounding_has_no_weight(dtype):
    """0.1 + 0.2 - 0.3 leaves 3e-17: divided by it, this channel would be the whole map."""
    activations = torch.tensor([[[[0.1, 0.2, -0.3]], [[2.0, 2.0, 2.0]]]], dtype=dtype)
    gradients = torch.tensor([[[[[1.0, -1.0, 1.0]], [[1.0, 1.0, 1.0]]]]], dtype=dtype)
    ours = xgrad_cam_map(activations, gradients, relu=False)
    assert ours.tolist() == [[[[2.0, 2.0, 2.0]]]]


def test_dead_channels_and_zero_gradients_give_zeros():
    activations, gradients = evidence((2, 2, 3, 2, 2), signed=True)
    assert not xgrad_cam_map(activations, torch.zeros_like(gradients)).any()
    assert not xgrad_cam_map(torch.zeros_like(activations), gradients).any()


@pytest.mark.parametrize("scale", [1e-30, 1e-12, 1e12])
def test_the_weights_do_not_depend_on_the_scale_of_the_activations(scale):
    activations, gradients = evidence((1, 1, 3, 2, 2), signed=False)
    ours = xgrad_cam_map(activations * scale, gradients, relu=False) / scale
    assert_same(ours, xgrad_cam_map(activations, gradients, relu=False))
