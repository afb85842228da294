"""From raw maps to saliency: upsample, then normalise."""

import pytest
import torch

from regionwise import explain
from replicas.common import array
from replicas.saliency import saliency
from samples import assert_same, chosen

SIZES = [(16, 12), (33, 7), (4, 3), (2, 2), (1, 1)]


@pytest.mark.parametrize("normalize", ["min-max", "max"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("method", ["cam", "grad-cam"])
def test_replica(pooled_net, images, method, size, normalize):
    targets = chosen([0, 3], [2, 1], [1, 0])
    ours = explain(pooled_net, images, method, targets=targets, layer="features")
    expected = saliency(ours.maps, size, normalize)
    assert_same(ours.saliency(size, normalize=normalize), expected)


def test_the_default_is_min_max_per_map_at_the_size_of_the_image(pooled_net, images):
    targets = chosen([0, 3], [2, 1], [1, 0])
    ours = explain(pooled_net, images, "cam", targets=targets, layer="features")
    assert_same(ours.saliency(), saliency(ours.maps, (16, 12)))
    flat = ours.saliency().flatten(2)
    assert torch.equal(flat.amin(2), torch.zeros(3, 2, dtype=flat.dtype))
    assert torch.equal(flat.amax(2), torch.ones(3, 2, dtype=flat.dtype))


def test_upsampling_comes_before_normalising(pooled_net, images):
    """Min-max at the layer and then upsampling leaves a maximum below one."""
    ours = explain(pooled_net, images, "grad-cam", targets=1, layer="features")
    other = saliency(ours.maps, ours.maps.shape[2:])
    other = torch.nn.functional.interpolate(torch.from_numpy(other), (16, 12), mode="bilinear")
    assert not torch.allclose(ours.saliency((16, 12)).double(), other, atol=1e-3)


def test_without_normalising_the_values_are_only_upsampled(pooled_net, images):
    ours = explain(pooled_net, images, "cam", targets=1, layer="features")
    raw = ours.saliency(ours.maps.shape[2:], normalize=None)
    assert_same(raw, ours.maps)


def test_all_maps_of_an_image_share_one_scale(pooled_net, images):
    targets = chosen([0, 3], [2, 1], [1, 0])
    ours = explain(pooled_net, images, "cam", targets=targets, layer="features")
    upsampled = ours.saliency((16, 12), normalize=None)
    shared = ours.saliency((16, 12), normalize="image")
    assert torch.equal(shared.flatten(1).amin(1), torch.zeros(3, dtype=shared.dtype))
    assert torch.equal(shared.flatten(1).amax(1), torch.ones(3, dtype=shared.dtype))
    for image in range(3):
        low, high = upsampled[image].min(), upsampled[image].max()
        assert_same(shared[image], (upsampled[image] - low) / (high - low))


def test_a_constant_map_becomes_zeros_and_is_flagged(pooled_net, images):
    with torch.no_grad():
        pooled_net.fc.weight[1] = 0
    ours = explain(pooled_net, images, "grad-cam", targets=1, layer="features")
    assert not array(ours.maps).any()
    assert not ours.saliency().any()
    assert ours.saliency().isfinite().all()
    assert all(row for row in ours.flags)


@pytest.mark.parametrize("normalize", ["min-max", "image"])
@pytest.mark.parametrize("size", [(16, 12), (10, 10), (37, 23)], ids=str)
@pytest.mark.parametrize("value", [-2.5, 3.0, 0.7])
def test_a_constant_map_that_is_not_zero_becomes_zeros(pooled_net, images, value, size, normalize):
    """Whatever its value it has no range, and rounding in the upsampling gives it none."""
    with torch.no_grad():
        pooled_net.features[2].weight.zero_()
        pooled_net.features[2].bias.fill_(0.5)
        pooled_net.fc.weight[1] = value
    ours = explain(pooled_net, images, "cam", targets=1, layer="features")
    assert array(ours.maps).any()
    assert not ours.saliency(size, normalize=normalize).any()
