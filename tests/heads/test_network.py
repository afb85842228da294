"""Backbone and head together: every family builds, learns, and comes back from its weights."""

import copy
import json

import pytest
import torch
from safetensors.torch import load, save

from regionwise.errors import ModelError, SettingError
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.heads.pooled import Pooled
from regionwise.models.backbones import BackboneSpec

SMALL = BackboneSpec("birdnet", options={"widths": [4, 4, 8, 8, 12], "depths": [1, 1, 1, 1]})
OPTIONS = {
    "pooled": {},
    "cape": {"temperatures": "three"},
    "calm": {"prior": "relu", "detach_normaliser": True},
}
FAMILIES = {
    "timm:resnet18": ((64, 96), 512, (2, 3)),
    "torchvision:resnet18": ((64, 96), 512, (2, 3)),
    "timm:mobilenetv3_small_050": ((64, 96), 288, (2, 3)),
    "torchvision:mobilenet_v3_small": ((64, 96), 576, (2, 3)),
    "timm:vit_tiny_patch16_224": ((64, 96), 192, (4, 6)),
}
LARGE = {
    "timm:swinv2_tiny_window8_256": ((64, 128), 768, (2, 4)),
    "timm:swin_tiny_patch4_window7_224": ((224, 224), 768, (7, 7)),
    "torchvision:swin_t": ((64, 96), 768, (2, 3)),
    "torchvision:swin_v2_t": ((64, 96), 768, (2, 3)),
    "torchvision:vgg16": ((64, 96), 512, (4, 6)),
    "timm:vgg16": ((64, 96), 512, (2, 3)),
    "torchvision:inception_v3": ((128, 160), 2048, (2, 3)),
    "timm:inception_v3": ((128, 160), 2048, (2, 3)),
    "torchvision:googlenet": ((128, 160), 1024, (4, 5)),
    "torchvision:densenet121": ((64, 96), 1024, (2, 3)),
    "timm:densenet121": ((64, 96), 1024, (2, 3)),
    "torchvision:convnext_tiny": ((64, 96), 768, (2, 3)),
    "timm:convnext_tiny": ((64, 96), 768, (2, 3)),
    "torchvision:efficientnet_b0": ((64, 96), 1280, (2, 3)),
    "timm:efficientnet_b0": ((64, 96), 1280, (2, 3)),
    "torchvision:mobilenet_v3_large": ((64, 96), 960, (2, 3)),
    "torchvision:maxvit_t": ((224, 224), 512, (7, 7)),
}
every_family = pytest.mark.parametrize(
    ("source", "size", "channels", "grid"),
    [pytest.param(name, *row, id=name) for name, row in FAMILIES.items()]
    + [pytest.param(name, *row, id=name, marks=pytest.mark.slow) for name, row in LARGE.items()],
)


def noise(size, seed=0):
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed))


@every_family
def test_a_family(source, size, channels, grid):
    spec = NetworkSpec(BackboneSpec(source), "calm", 5)
    network = build_network(spec, weights="random", size=size)
    x = noise(size)
    with torch.no_grad():
        assert network.backbone(x).shape == (2, channels, *grid)
        before = network(x)
    assert torch.allclose(before.exp().sum(dim=1), torch.ones(2), atol=1e-5)
    other = build_network(spec, weights="random", size=size, seed=1)
    state = load(save({n: v.contiguous() for n, v in network.state_dict().items()}))
    other.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(other(x), before)
        assert torch.equal(copy.deepcopy(network)(x), before)
    network.train()
    network(x)[:, 0].sum().backward()
    untouched = [n for n, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert not untouched
    first = next(p for p in network.parameters() if p.requires_grad)
    assert bool(first.grad.any()), "a gradient arrives at the first layer"


@pytest.mark.parametrize("head", OPTIONS)
def test_every_head(head):
    spec = NetworkSpec(SMALL, head, 5, OPTIONS[head], vanilla=head != "pooled")
    network = build_network(spec, weights="random", size=(32, 48))
    x = noise((32, 48))
    assert network(x).shape == (2, 5)
    assert (network.vanilla is None) == (head == "pooled")
    assert not network.training
    if head == "pooled":
        with pytest.raises(ModelError, match="vanilla head gives no joint"):
            network.joint(x)
    else:
        assert isinstance(network.vanilla, Pooled)
        joint = network.joint(x)
        assert torch.allclose(joint.log_probabilities, network(x))
        assert joint.saliency.shape == (2, 2, 3)


@pytest.mark.parametrize("head", OPTIONS)
def test_json_round_trip(head):
    spec = NetworkSpec(SMALL, head, 5, OPTIONS[head], vanilla=head != "pooled")
    assert NetworkSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_the_seed_draws_the_heads_too():
    spec = NetworkSpec(SMALL, "cape", 5)
    one, same, other = (build_network(spec, weights="random", seed=s) for s in (0, 0, 1))
    assert torch.equal(one.head.weight, same.head.weight)
    assert not torch.equal(one.head.weight, other.head.weight)


BACKBONE = {"source": "birdnet"}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "an object with fields"),
        ({}, "'backbone' of the network is missing"),
        ({"backbone": BACKBONE, "head": "cape"}, "'classes' of the network is missing"),
        ({"backbone": BACKBONE, "classes": 3}, "'head' of the network is missing"),
        ({"backbone": BACKBONE, "head": "cap", "classes": 3}, "head must be one of.*'cap'"),
        ({"backbone": BACKBONE, "head": "cape", "classes": 1}, "classes .*from 2, not 1"),
        ({"backbone": BACKBONE, "head": "cape", "classes": "3"}, "classes .*not '3'"),
        ({"backbone": {}, "head": "cape", "classes": 3}, "'source'"),
        ({"backbone": BACKBONE, "haed": "cape"}, "'haed': did you mean 'head'"),
        (
            {"backbone": BACKBONE, "head": "cape", "classes": 3, "head_options": {"prior": 1}},
            "head_options: cape has no option 'prior'.*temperatures",
        ),
        (
            {"backbone": BACKBONE, "head": "cape", "classes": 3, "head_options": 1},
            "head_options must be",
        ),
        ({"backbone": BACKBONE, "head": "pooled", "classes": 3, "vanilla": True}, "no second"),
        ({"backbone": BACKBONE, "head": "cape", "classes": 3, "vanilla": 1}, "vanilla must be"),
    ],
)
def test_a_wrong_field_is_named(value, message):
    with pytest.raises(SettingError, match=message):
        NetworkSpec.from_json(value)
