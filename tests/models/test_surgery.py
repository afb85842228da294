"""Larger maps by undone strides, and the convolutions that published networks put at the end."""

import pytest
import torch
from torch import nn

from regionwise.errors import ModelError
from regionwise.models.backbones import BackboneSpec, build_backbone
from regionwise.models.surgery import gap_convolutions, larger_map


class Stages(nn.Sequential):
    """A stem, a pooled stage and a strided one; their map is a fourth of a fourth."""

    def __init__(self, *, last):
        super().__init__(
            nn.Conv2d(3, 4, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, 1, 1), last
        )


SLOW = pytest.mark.slow
SAMPLE = torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))


def test_the_last_halving_is_undone_and_the_weights_stay():
    network = Stages(last=nn.Conv2d(5, 6, 3, 2, 1)).eval()
    assert network(SAMPLE).shape == (2, 6, 4, 6)
    once, twice = (larger_map(network, times, SAMPLE) for times in (1, 2))
    assert once(SAMPLE).shape == (2, 6, 8, 12)
    assert twice(SAMPLE).shape == (2, 6, 16, 24)
    assert isinstance(twice[2], nn.Identity)
    assert network(SAMPLE).shape == (2, 6, 4, 6), "the network itself is left alone"
    for name, value in network.state_dict().items():
        assert torch.equal(once.state_dict()[name], value)


def test_with_stride_one_every_second_cell_is_as_before():
    network = Stages(last=nn.Conv2d(5, 6, 3, 2, 1)).eval()
    large = larger_map(network, 1, SAMPLE)
    assert torch.allclose(large(SAMPLE)[..., ::2, ::2], network(SAMPLE), atol=1e-6)


def test_an_overlapping_pool_gets_stride_one():
    large = larger_map(Stages(last=nn.MaxPool2d(3, 2, 1)), 1, SAMPLE)
    assert large[4].stride == 1
    assert large(SAMPLE).shape == (2, 5, 8, 12)


class Slicing(nn.Module):
    def forward(self, x):
        return x[:, :, ::2, ::2]


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (nn.Conv2d(5, 6, 2, 2), "merges patches of 2 x 2"),
        (Slicing(), "no convolution with a stride"),
    ],
)
def test_merged_patches_and_functions_are_refused(last, message):
    with pytest.raises(ModelError, match=message):
        larger_map(Stages(last=last), 1, SAMPLE)


def test_nothing_to_undo():
    with pytest.raises(ModelError, match="nothing halves the map of 32 x 48"):
        larger_map(nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1)), 1, SAMPLE)


def test_the_convolutions_that_are_added():
    assert isinstance(gap_convolutions("none", 8), nn.Identity)
    vgg = gap_convolutions("vgg-gap", 8)
    assert [type(layer).__name__ for layer in vgg] == ["Conv2d", "ReLU"]
    inception = gap_convolutions("inception-gap", 8)
    convolutions = [layer for layer in inception if isinstance(layer, nn.Conv2d)]
    assert [c.in_channels for c in convolutions] == [8, 1024]
    assert all(c.out_channels == 1024 and c.kernel_size == (3, 3) for c in convolutions)
    assert sum(isinstance(layer, nn.Dropout) for layer in inception) == 3
    assert float(vgg[0].weight.detach().std()) == pytest.approx((2 / 72) ** 0.5, rel=0.05)
    assert not any(c.bias.any() for c in (vgg[0], *convolutions))


@pytest.mark.parametrize(
    ("spec", "grid", "channels"),
    [
        (BackboneSpec("birdnet", larger=1), (8, 8), 256),
        (BackboneSpec("timm:resnet10t", larger=1), (4, 4), 512),
        (BackboneSpec("timm:resnet10t", larger=2), (8, 8), 512),
        pytest.param(BackboneSpec("timm:efficientnet_b0", larger=1), (4, 4), 1280, marks=SLOW),
        pytest.param(BackboneSpec("torchvision:densenet121", larger=1), (4, 4), 1024, marks=SLOW),
        pytest.param(BackboneSpec("torchvision:vgg16", larger=1), (8, 8), 512, marks=SLOW),
        pytest.param(
            BackboneSpec("torchvision:vgg16", surgery="vgg-gap"), (4, 4), 1024, marks=SLOW
        ),
        pytest.param(
            BackboneSpec("timm:vgg16", larger=1, surgery="vgg-gap"), (8, 8), 1024, marks=SLOW
        ),
    ],
    ids=str,
)
def test_published_networks(spec, grid, channels):
    backbone = build_backbone(spec, weights="random", size=(64, 64))
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        assert backbone(x).shape == (1, channels, *grid)


@pytest.mark.slow
@pytest.mark.parametrize(("larger", "side"), [(1, 14), (2, 28)])
def test_calms_resnet(larger, side):
    plain = build_backbone(BackboneSpec("torchvision:resnet50"), weights="random", size=(64, 64))
    spec = BackboneSpec("torchvision:resnet50", larger=larger)
    backbone = build_backbone(spec, weights="random")
    with torch.no_grad():
        assert backbone(torch.randn(1, 3, 224, 224)).shape == (1, 2048, side, side)
    shapes = {n: v.shape for n, v in backbone.state_dict().items()}
    assert shapes == {n: v.shape for n, v in plain.state_dict().items()}
    strides = {
        n: m.stride[0]
        for n, m in backbone.named_modules()
        if isinstance(m, nn.Conv2d) and n.startswith("network.layer")
    }
    assert strides["network.layer4.0.conv2"] == strides["network.layer4.0.downsample.0"] == 1
    assert strides["network.layer3.0.conv2"] == (1 if larger == 2 else 2)
    assert strides["network.layer2.0.conv2"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_inception_with_two_convolutions(library):
    spec = BackboneSpec(f"{library}:inception_v3", surgery="inception-gap")
    backbone = build_backbone(spec, weights="random")
    with torch.no_grad():
        assert backbone(torch.randn(1, 3, 224, 224)).shape == (1, 1024, 12, 12)
    assert not any("Mixed_7" in name for name in backbone.state_dict())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "size", "message"),
    [
        ("timm:convnext_atto", (64, 64), "merges patches of 2 x 2"),
        ("timm:swinv2_tiny_window8_256", (64, 128), "layers.3.downsample"),
        ("torchvision:swin_t", (64, 64), "_patch_merging_pad"),
        ("torchvision:inception_v3", (128, 128), "max_pool2d"),
    ],
)
def test_networks_whose_halvings_stay(source, size, message):
    with pytest.raises(ModelError, match=message):
        build_backbone(BackboneSpec(source, larger=1), weights="random", size=size)
