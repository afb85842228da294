"""Grad-CAM++: four quantities of one name."""

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.attribution.grad_cam_pp import grad_cam_pp_map
from replicas.common import array
from replicas.grad_cam_pp import ALPHAS, grad_cam_pp, grad_cam_pp_of
from samples import SHAPES, assert_same, chosen, evidence, float64

VARIANTS = sorted(ALPHAS)
BY_HAND = {"paper": 7 / 24, "official": 7 / 10, "local-sum": 49 / 135, "torch-cam": 9 / 8}
"""Weights of a channel with A = (1, 3) and g = (1, 1/2), so sum A = 4 and sum A g^3 = 11/8.

paper      1/6 * 1 + 1/4 * 1/2
official   the alphas 1/6 and 1/4 divided by their sum, 5/12: 2/5 * 1 + 3/5 * 1/2
local-sum  1 / (2 + 11/8) * 1 + (1/4) / (1/2 + 11/8) * 1/2
torch-cam  1 * 1 + 1/4 * 1/2
"""


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica(shape, signed, variant):
    activations, gradients = evidence(shape, signed=signed)
    ours = grad_cam_pp_map(activations, gradients, variant=variant)
    assert_same(ours, grad_cam_pp(activations, gradients, variant=variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_by_hand(variant):
    activations = float64([[[[1.0, 3.0]]]])
    gradients = float64([[[[[1.0, 0.5]]]]])
    weight = BY_HAND[variant]
    ours = grad_cam_pp_map(activations, gradients, variant=variant)
    assert_same(ours, [[[[weight, 3 * weight]]]], tolerance=1e-15)


def test_the_default_is_the_paper():
    activations, gradients = evidence((1, 1, 3, 2, 2), signed=False)
    paper = grad_cam_pp_map(activations, gradients, variant="paper")
    assert torch.equal(grad_cam_pp_map(activations, gradients), paper)


@pytest.mark.parametrize("variant", VARIANTS)
def test_negative_slopes_count_in_alpha_only(variant):
    activations = float64([[[[1.0, 1.0]], [[2.0, 0.0]]]])
    gradients = float64([[[[[-1.0, -2.0]], [[1.0, 0.0]]]]])
    ours = grad_cam_pp_map(activations, gradients, variant=variant)
    only_second = grad_cam_pp_map(activations[:, 1:], gradients[:, :, 1:], variant=variant)
    assert torch.equal(ours, only_second)
    assert ours[0, 0, 0, 0] > 0


@pytest.mark.parametrize("variant", VARIANTS)
def test_on_networks(pooled_net, deep_tail_net, images, variant):
    targets = chosen([0, 3], [2, 2], [1, 0])
    method = f"grad-cam++:variant={variant}"
    for model, layer in ((pooled_net, "features"), (deep_tail_net, "stem")):
        ours = explain(model, images, method, targets=targets, layer=layer)
        expected = grad_cam_pp_of(model.trunk, model.tail, images, targets, variant=variant)
        assert array(expected).max() > 0
        assert_same(ours.maps, expected)


def test_the_paper_sum_is_not_the_local_sum_unless_slopes_are_constant():
    activations, gradients = evidence((2, 2, 3, 3, 2), signed=False)
    paper = grad_cam_pp_map(activations, gradients, variant="paper")
    local = grad_cam_pp_map(activations, gradients, variant="local-sum")
    assert not torch.allclose(paper, local, rtol=1e-3)
    flat = gradients.mean((3, 4), keepdim=True).expand_as(gradients)
    paper = grad_cam_pp_map(activations, flat, variant="paper")
    assert paper.any()
    assert_same(paper, grad_cam_pp_map(activations, flat, variant="local-sum"))


@pytest.mark.parametrize(
    ("variant", "expected"),
    [("paper", 2.0), ("official", 1.0), ("local-sum", 2.0), ("torch-cam", 2.0)],
)
def test_a_denominator_of_zero_counts_as_one(variant, expected):
    """As in the authors' code. sum A = -2 and g = 1, so 2 g^2 + (sum A) g^3 = 0 and alpha = g^2."""
    activations = float64([[[[-3.0, 1.0]]]])
    gradients = float64([[[[[1.0, 1.0]]]]])
    maps = grad_cam_pp_map(activations, gradients, variant=variant)
    assert maps.tolist() == [[[[0.0, expected]]]]
    assert_same(maps, grad_cam_pp(activations, gradients, variant=variant))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_small_slopes_keep_their_ratios(variant, dtype):
    """An eps of 1e-6 beside 2 g^2 of 4e-7 changes the map of a peer; nothing may here."""
    activations, gradients = evidence((1, 1, 4, 3, 3), signed=False)
    gradients = gradients.to(dtype) * 1e-5
    ours = grad_cam_pp_map(activations.to(dtype), gradients, variant=variant)
    expected = grad_cam_pp(activations, gradients, variant=variant)
    np.testing.assert_allclose(array(ours / ours.max()), expected / expected.max(), atol=2e-6)


@pytest.mark.parametrize("variant", VARIANTS)
def test_zero_gradients_and_zero_activations_give_zeros(variant):
    activations, gradients = evidence((2, 2, 3, 2, 2), signed=True)
    nothing = torch.zeros_like(gradients)
    assert not grad_cam_pp_map(activations, nothing, variant=variant).any()
    silent = torch.zeros_like(activations)
    assert not grad_cam_pp_map(silent, gradients, variant=variant).any()
