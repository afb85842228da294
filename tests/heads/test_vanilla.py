"""Class weights are taken over only where nothing but pooling and they stand behind the map."""

import pytest
import torch

from regionwise import load_model
from regionwise.errors import ModelError
from regionwise.heads.vanilla import pooled_head_of
from regionwise.models.backbones import BackboneSpec, build_backbone

FACTORY = """
import torch
from torch import nn
from regionwise import Classifier, Preprocessing


def net(*tail, zero=False):
    torch.manual_seed(3)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), *tail
    )
    linear = nn.Linear(6, 4)
    if zero:
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    net.append(linear)
    return Classifier(net, Preprocessing(size=(16, 16)))


def plain():
    return net()


def zero():
    return net(zero=True)


def zero_behind_norm():
    return net(nn.LayerNorm(6), zero=True)


def normed():
    return net(nn.LayerNorm(6), nn.Dropout(0.5))


def hidden():
    return net(nn.Linear(6, 6), nn.Tanh())
"""


@pytest.fixture
def opened(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(FACTORY)

    def both(name):
        source = f"{path}:{name}"
        return load_model(source), build_backbone(BackboneSpec(source), size=(16, 16))

    return both


@pytest.mark.parametrize("name", ["plain", "zero"])
def test_pooling_and_linear(opened, name):
    classifier, backbone = opened(name)
    head = pooled_head_of(classifier, backbone)
    own = classifier.module[-1]
    assert head.name == "4"
    assert torch.equal(head.weight, own.weight)
    assert torch.equal(head.bias, own.bias)
    with torch.no_grad():
        own.weight.add_(1)
    assert not torch.equal(head.weight, own.weight), "the weights are a copy"


@pytest.mark.parametrize(
    ("name", "between"),
    [
        ("normed", ": LayerNorm stands between"),
        ("zero_behind_norm", ": LayerNorm stands between"),
        ("hidden", ": Linear, Tanh stand between"),
    ],
)
def test_what_stands_between_is_named(opened, name, between):
    with pytest.raises(ModelError, match=between):
        pooled_head_of(*opened(name))


def test_modes_are_as_they_were(opened):
    classifier, backbone = opened("normed")
    classifier.module.train()
    backbone.network.train()
    modes = [m.training for m in (*classifier.module.modules(), *backbone.modules())]
    with pytest.raises(ModelError):
        pooled_head_of(classifier, backbone)
    assert modes == [m.training for m in (*classifier.module.modules(), *backbone.modules())]


def test_a_backbone_of_other_weights_does_not_fit(opened):
    classifier, backbone = opened("plain")
    with torch.no_grad():
        next(backbone.parameters()).mul_(2)
    with pytest.raises(ModelError, match="no class weights"):
        pooled_head_of(classifier, backbone)


def test_the_shipped_classifier():
    classifier = load_model("birds-1")
    head = pooled_head_of(classifier, build_backbone(BackboneSpec("birds-1")))
    assert torch.equal(head.weight, classifier.module.fc.weight)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "between"),
    [
        ("torchvision:densenet121", None),
        ("timm:resmlp_12_224", None),
        ("timm:swinv2_tiny_window8_256", None),
        ("timm:convnext_atto", "layer_norm stands between"),
        ("torchvision:convnext_tiny", "layer_norm stands between"),
        ("timm:mobilenetv3_small_050", "Conv2d, Hardswish stand between"),
        ("timm:vit_tiny_patch16_224", "class token"),
        ("torchvision:squeezenet1_1", "Conv2d, ReLU stand between"),
    ],
)
def test_families(source, between):
    classifier = load_model(source, weights="random")
    backbone = build_backbone(
        BackboneSpec(source), weights="random", size=classifier.preprocessing.size
    )
    if between is None:
        assert pooled_head_of(classifier, backbone).weight.shape == (1000, backbone.channels)
    else:
        with pytest.raises(ModelError, match=between):
            pooled_head_of(classifier, backbone)
