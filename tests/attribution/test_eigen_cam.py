"""Eigen-CAM: the first principal component, with a sign."""

import pytest
import torch

from regionwise import explain
from regionwise.attribution.eigen_cam import eigen_cam_map
from replicas.eigen_cam import eigen_cam
from samples import SHAPES, assert_same, evidence, float64

VARIANTS = ["paper", "centred"]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", [*SHAPES, (2, 1, 3, 4, 5), (2, 1, 9, 2, 3)], ids=str)
def test_replica(shape, signed, variant):
    """More channels than cells and fewer: both Gram matrices."""
    activations, _ = evidence(shape, signed=signed)
    assert_same(
        eigen_cam_map(activations, variant=variant), eigen_cam(activations, variant=variant)
    )


def test_by_hand():
    # O = [[3, 0], [4, 0], [0, 1]]: singular values 5 and 1, v_1 = (1, 0), O v_1 = (3, 4, 0)
    activations = float64([[[[3.0, 4.0, 0.0]], [[0.0, 0.0, 1.0]]]])
    assert_same(eigen_cam_map(activations), [[[3.0, 4.0, 0.0]]], tolerance=1e-12)
    # centred, one channel: (1, 2, 6) - 3
    activations = float64([[[[1.0, 2.0, 6.0]]]])
    ours = eigen_cam_map(activations, variant="centred")
    assert_same(ours, [[[-2.0, -1.0, 3.0]]], tolerance=1e-12)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("shape", [(8, 1, 3, 4, 5), (8, 1, 9, 2, 3)], ids=str)
def test_the_map_goes_with_the_activations(shape, variant):
    activations, _ = evidence(shape, signed=False)
    ours = eigen_cam_map(activations, variant=variant)
    strength = activations.mean(1)
    assert ((ours * strength).sum((1, 2)) > 0).all()
    if variant == "paper":
        assert (ours > -1e-12).all()
    # twice the same image, once upside down: no sign is drawn by lot
    assert_same(eigen_cam_map(activations.flip(2), variant=variant), ours.flip(1))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sign_is_chosen_where_the_strength_says_nothing(variant):
    """Every cell equally strong: the value farthest from zero is positive."""
    activations = float64([[[[3.0, -1.0, -1.0, -1.0]], [[1.0, 3.0, -3.0, 3.0]]]])
    ours = eigen_cam_map(activations, variant=variant)
    assert_same(eigen_cam_map(-activations, variant=variant), ours, tolerance=1e-12)
    assert ours.amax() == ours.abs().amax()


@pytest.mark.parametrize("variant", VARIANTS)
def test_dead_and_constant_layers_give_zeros_where_they_should(variant):
    assert not eigen_cam_map(torch.zeros(2, 3, 2, 2), variant=variant).any()
    constant = float64([0.7, 0.1, 0.3])[None, :, None, None].expand(1, 3, 5, 7)
    ours = eigen_cam_map(constant, variant=variant)
    if variant == "centred":
        assert not ours.any()
    else:
        assert_same(ours, float64([[[0.59**0.5]]]).expand(1, 5, 7))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_low_precision_keeps_its_dtype(dtype):
    activations, _ = evidence((2, 1, 6, 3, 4), signed=False)
    ours = eigen_cam_map(activations.to(dtype))
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.double(), eigen_cam_map(activations), rtol=0.03, atol=0.03)


@pytest.mark.parametrize("variant", VARIANTS)
def test_on_networks_every_target_has_the_same_map(pooled_net, deep_tail_net, images, variant):
    for model, layer in ((pooled_net, "features"), (deep_tail_net, "stem")):
        ours = explain(model, images, f"eigen-cam:variant={variant}", "top-2", layer).maps
        expected = eigen_cam(model.trunk(images), variant=variant)
        for t in range(2):
            assert_same(ours[:, t], expected)
