"""Group-CAM, and the blurred image behind it."""

import numpy as np
import pytest
import torch
from torchvision.transforms import functional as tv

from regionwise import explain
from regionwise.attribution.blur import gaussian_blur, gaussian_kernel, mirrored
from regionwise.attribution.group_cam import group_cam_map, group_maps
from replicas import blur as blur_replica
from replicas.common import array
from replicas.group_cam import group_cam_of, group_map, grouped
from samples import SHAPES, assert_same, chosen, evidence, float64


@pytest.mark.parametrize("groups", [1, 2, 4, 32])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica_of_the_groups(shape, groups):
    activations, gradients = evidence(shape, signed=True)
    ours = group_maps(activations, gradients, groups=groups)
    for n in range(shape[0]):
        for t in range(shape[1]):
            parts = zip(
                grouped(list(array(activations[n])), groups),
                grouped(list(array(gradients[n, t])), groups),
                strict=True,
            )
            assert_same(ours[n, t], np.stack([group_map(a, g) for a, g in parts]))


def test_groups_by_hand():
    activations = float64([[[[1.0, 0.0]], [[0.0, 2.0]], [[3.0, 3.0]]]])
    gradients = float64([[[[[1.0, 3.0]], [[-1.0, -1.0]], [[0.5, 0.5]]]]])  # means 2, -1, 1/2
    assert group_maps(activations, gradients, groups=2).tolist() == [[[[[2.0, 0.0]], [[1.5, 1.5]]]]]


def test_the_sum_by_hand():
    maps = float64([[[[[2.0, 0.0]], [[0.0, 4.0]], [[1.5, 1.5]]]]])
    scores, nothing = float64([[[0.5, 0.1, 0.9]]]), float64([[[0.25]]])
    # gains 1/4, 0 (it lost), and a constant group that cannot be a mask
    assert group_cam_map(maps, scores, nothing).tolist() == [[[[0.5, 0.0]]]]


@pytest.mark.parametrize("variant", ["plain", "denoised"])
@pytest.mark.parametrize(("net", "layer"), [("pooled_net", "features"), ("deep_tail_net", "stem")])
def test_on_networks(net, layer, variant, images, request):
    model = request.getfixturevalue(net)
    targets = chosen([0, 3], [2, 1])
    method = f"group-cam:groups=4,variant={variant}"
    ours = explain(model, images[:2], method, targets, layer)
    expected = group_cam_of(
        model, model.trunk, model.tail, images[:2], targets, groups=4, variant=variant
    )
    assert expected.max() > 0
    assert_same(ours.maps, expected)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (9, 16)])
@pytest.mark.parametrize(("width", "sigma"), [(1, 2.0), (5, 0.8), (21, 50.0)])
def test_replica_of_the_blur(size, width, sigma):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, 2, *size, generator=generator, dtype=torch.float64)
    expected = [[blur_replica.gaussian_blur(array(p), width, sigma) for p in x] for x in images]
    assert_same(gaussian_blur(images, width=width, sigma=sigma), expected)


def test_the_blur_by_hand():
    assert mirrored(3, 4).tolist() == [0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2]
    assert mirrored(1, 2).tolist() == [0] * 5
    assert_same(gaussian_kernel(3, 1.0), np.array([1, np.exp(0.5), 1]) / (2 + np.exp(0.5)))
    constant = torch.full((1, 1, 5, 3), 0.7, dtype=torch.float64)
    assert_same(gaussian_blur(constant), constant)


def test_the_blur_is_that_of_torchvision_where_it_can_do_it():
    images = torch.randn(1, 3, 64, 70, generator=torch.Generator().manual_seed(2)).double()
    assert_same(gaussian_blur(images), tv.gaussian_blur(images, [51, 51], [50.0, 50.0]))


def test_a_blank_layer_gives_a_blank_map(pooled_net, images):
    with torch.no_grad():
        pooled_net.features[2].weight.zero_()
        pooled_net.features[2].bias.fill_(-1.0)
    for variant in ("plain", "denoised"):
        ours = explain(pooled_net, images, f"group-cam:variant={variant}", 1, "features")
        assert not ours.maps.any()
        assert all(row for row in ours.flags)
