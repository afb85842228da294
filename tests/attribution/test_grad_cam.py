"""Grad-CAM: ReLU(sum_k mean(g_k) A_k)."""

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.attribution.grad_cam import grad_cam_map
from replicas.common import array, gradients_at
from replicas.grad_cam import grad_cam, grad_cam_of
from samples import SHAPES, assert_same, chosen, evidence, float64


@pytest.mark.parametrize("relu", [True, False], ids=["relu", "no-relu"])
@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica(shape, signed, relu):
    activations, gradients = evidence(shape, signed=signed)
    ours = grad_cam_map(activations, gradients, relu=relu)
    assert_same(ours, grad_cam(activations, gradients, relu=relu))


def test_by_hand():
    activations = float64([[[[1.0, 0.0], [2.0, 3.0]], [[4.0, 1.0], [0.0, 0.0]]]])
    # means 0.5 and -0.25
    gradients = float64([[[[[2.0, 0.0], [0.0, 0.0]], [[0.0, -2.0], [0.0, 1.0]]]]])
    signed = grad_cam_map(activations, gradients, relu=False)
    assert signed.tolist() == [[[[-0.5, -0.25], [1.0, 1.5]]]]
    assert grad_cam_map(activations, gradients).tolist() == [[[[0.0, 0.0], [1.0, 1.5]]]]


@pytest.mark.parametrize("relu", ["true", "false"])
def test_behind_a_pooled_layer(pooled_net, images, relu):
    targets = chosen([0, 3], [2, 2], [1, 0])
    recipe = "grad-cam" if relu == "true" else "grad-cam:relu=false"
    ours = explain(pooled_net, images, recipe, targets=targets, layer="features")
    expected = grad_cam_of(pooled_net.trunk, pooled_net.tail, images, targets, relu=relu == "true")
    assert_same(ours.maps, expected)


def test_in_front_of_an_in_place_relu_and_a_curved_tail(deep_tail_net, images):
    targets = chosen([0, 4], [2, 1], [3, 3])
    ours = explain(deep_tail_net, images, "grad-cam", targets=targets, layer="stem")
    expected = grad_cam_of(deep_tail_net.trunk, deep_tail_net.tail, images, targets)
    assert array(expected).max() > 0
    assert_same(ours.maps, expected)


def test_the_gradients_of_the_replica_are_the_slopes_of_the_network(deep_tail_net, images):
    """Autograd stands behind every other comparison; here stand differences."""
    activations = deep_tail_net.trunk(images[:1]).detach()
    (slopes,) = gradients_at(deep_tail_net.tail, activations, chosen([2]))[0]
    step, worst = 1e-6, 0.0
    with torch.no_grad():
        for place in [(0, 0, 0), (1, 2, 3), (3, 7, 5), (5, 4, 1)]:
            up, down = activations.clone(), activations.clone()
            up[(0, *place)] += step
            down[(0, *place)] -= step
            rise = deep_tail_net.tail(up)[0, 2] - deep_tail_net.tail(down)[0, 2]
            worst = max(worst, abs(float(rise) / (2 * step) - slopes[place]))
    assert np.abs(slopes).max() > 1e-3
    assert worst < 1e-8


def test_the_logit_is_explained_and_not_the_probability(pooled_net, images):
    ours = explain(pooled_net, images, "grad-cam:relu=false", targets=1, layer="features")
    of_probability = grad_cam_of(
        pooled_net.trunk,
        lambda activations: pooled_net.tail(activations).softmax(1),
        images,
        chosen([1], [1], [1]),
        relu=False,
    )
    assert np.corrcoef(array(ours.maps).ravel(), of_probability.ravel())[0, 1] < 0.999


def test_zero_gradients_and_zero_activations_give_zeros():
    activations, gradients = evidence((2, 2, 3, 2, 2), signed=True)
    assert not grad_cam_map(activations, torch.zeros_like(gradients)).any()
    assert not grad_cam_map(torch.zeros_like(activations), gradients).any()
