"""Any network with a spatial map becomes a backbone, inputs -> n k i j, with nothing left over."""

import copy

import pytest
import torch
from safetensors.torch import save_file

from regionwise import load_model
from regionwise.errors import LayerError, ModelError, SettingError, WeightsError
from regionwise.models.backbones import BackboneSpec, build_backbone

HOME_MADE = """
import torch
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, 2, 1)
        self.conv2 = nn.Conv2d(4, 6, 3, 2, 1)
        self.side = nn.Conv2d(4, 2, 1)
        self.fc = nn.Linear(6, 5)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        aside = self.side(x).mean()
        x = F.dropout(x, 0.5, self.training)
        x = F.relu(self.conv2(x)) + 0
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1)) + 0 * aside


class Told(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward_features(self, x):
        if x.mean() > 1e9:  # no tracing gets past a value
            return x
        return self.net.conv1(x)

    def forward(self, x):
        return self.forward_features(x).mean((2, 3))


class Untraceable(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, x):
        return self.net(x) if x.mean() < 1e9 else None


def net():
    return Net()


def told():
    return Told()


def untraceable():
    return Untraceable()


def flat():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 8), nn.ReLU(), nn.Linear(8, 5))
"""


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "home.py"
    path.write_text(HOME_MADE)
    return path


SMALL = {"widths": [4, 4, 8, 8, 12], "depths": [1, 1, 1, 1]}


def noise(*size, seed=0):
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(seed))


def test_birdnet_with_its_options():
    backbone = build_backbone(
        BackboneSpec("birdnet", options=SMALL), weights="random", size=(32, 48)
    )
    assert backbone.channels == 12
    assert backbone(noise(32, 48)).shape == (2, 12, 2, 3)
    assert not backbone.training


@pytest.mark.parametrize(
    "spec", [BackboneSpec("birdnet", options=SMALL), BackboneSpec("timm:resnet10t")], ids=str
)
def test_seeds_decide_random_weights(spec):
    one, same, other = (build_backbone(spec, weights="random", seed=s) for s in (0, 0, 1))
    x = noise(64, 64)
    assert torch.equal(one(x), same(x))
    assert not torch.equal(one(x), other(x))


def test_building_leaves_the_random_state_alone():
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    build_backbone(BackboneSpec("torchvision:squeezenet1_1"), weights="random", size=(64, 64))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_shipped_classifier_gives_the_map_that_it_explains():
    classifier = load_model("birds-1")
    backbone = build_backbone(BackboneSpec("birds-1"), size=(64, 64))
    x = noise(64, 64)
    with torch.no_grad():
        assert torch.equal(backbone(x), classifier.module.forward_features(x))
        pooled = backbone(x).mean((2, 3))
        assert torch.allclose(classifier.module.fc(pooled), classifier.module(x), atol=1e-5)
    assert backbone.preprocessing == classifier.preprocessing


def test_a_cut_network_gives_the_map_of_its_layer():
    backbone = build_backbone(BackboneSpec("torchvision:resnet18"), weights="random", size=(64, 64))
    whole = load_model("torchvision:resnet18", weights="random").module
    seen = []
    handle = whole.layer4.register_forward_hook(lambda *args: seen.append(args[2]))
    x = noise(64, 64)
    with torch.no_grad():
        whole(x)
        handle.remove()
        assert torch.equal(backbone(x), seen[0])
    names = set(backbone.state_dict())
    assert names == {f"network.{n}" for n in whole.state_dict() if not n.startswith("fc.")}


def test_densenets_last_relu_belongs_to_the_map():
    backbone = build_backbone(
        BackboneSpec("torchvision:densenet121"), weights="random", size=(64, 64)
    )
    with torch.no_grad():
        assert backbone(noise(64, 64)).min() == 0


def test_squeezenets_class_maps_are_passed_over():
    backbone = build_backbone(
        BackboneSpec("torchvision:squeezenet1_1"), weights="random", size=(64, 64)
    )
    assert backbone.channels == 512


def test_a_home_made_network_is_traced_in_both_modes(home):
    backbone = build_backbone(BackboneSpec(f"{home}:net"), size=(32, 32))
    x = noise(32, 32)
    assert backbone.channels == 6
    assert {n.split(".")[1] for n in backbone.state_dict()} == {"conv1", "conv2"}
    assert torch.equal(backbone(x), backbone(x))
    backbone.train()
    assert not torch.equal(backbone(x), backbone(x)), "dropout is on"


def test_a_mode_set_directly_is_followed(home):
    backbone = build_backbone(BackboneSpec(f"{home}:net"), size=(32, 32)).train()
    x = noise(32, 32)
    modes = [(module, module.training) for module in backbone.modules()]
    for module, _ in modes:
        module.training = False
    assert torch.equal(backbone(x), backbone(x))
    for module, mode in modes:
        module.training = mode
    assert not torch.equal(backbone(x), backbone(x))


@pytest.mark.parametrize("training", [True, False])
def test_a_copy_keeps_its_mode_and_shares_nothing(home, training):
    backbone = build_backbone(BackboneSpec(f"{home}:net"), size=(32, 32)).train(training)
    twin = copy.deepcopy(backbone)
    assert all(m.training == training for m in twin.modules())
    x = noise(32, 32)
    assert torch.equal(twin.eval()(x), backbone.eval()(x))
    with torch.no_grad():
        next(twin.parameters()).zero_()
    assert not torch.equal(twin(x), backbone(x))


def test_forward_features_is_used_as_it_is(home):
    backbone = build_backbone(BackboneSpec(f"{home}:told"), size=(32, 32))
    assert backbone.channels == 4
    assert {n.split(".")[2] for n in backbone.state_dict()} == {"conv1"}


@pytest.mark.parametrize(
    ("factory", "error", "message"),
    [
        ("untraceable", ModelError, "forward_features"),
        ("flat", LayerError, "no map of several cells at 32 x 32"),
        ("nett", ModelError, "did you mean 'net'"),
    ],
)
def test_home_made_networks_that_are_no_backbones(home, factory, error, message):
    with pytest.raises(error, match=message) as caught:
        build_backbone(BackboneSpec(f"{home}:{factory}"), size=(32, 32))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "size", "error", "message"),
    [
        (BackboneSpec("birdnet"), (8, 8), LayerError, "no map of several cells"),
        (BackboneSpec("birdnet", options={"width": 3}), (32, 32), SettingError, "'width'"),
        (BackboneSpec("birdnet", options={"widths": [3]}), (32, 32), SettingError, "five widths"),
        (BackboneSpec("birdnets"), (32, 32), ModelError, "did you mean 'birdnet'"),
        (BackboneSpec("birdnet", layer="layer9"), (32, 32), LayerError, "layer9.*did you mean"),
        (BackboneSpec("birdnet", layer="fc"), (32, 32), LayerError, "no map of several cells"),
        (BackboneSpec("birdnet", larger=5), (32, 32), ModelError, "nothing halves"),
        (BackboneSpec("birdnet", surgery="vgg-gap"), (32, 32), ModelError, "not for BirdNet"),
        (BackboneSpec("birdnet", surgery="inception-gap"), (32, 32), ModelError, "Mixed_6e"),
        (BackboneSpec("torchvision:vit_b_32"), (64, 64), ModelError, "64 x 64.*Expected 224"),
        (BackboneSpec("timm:resnet10t", options={"eyes": 2}), (64, 64), SettingError, "eyes"),
    ],
)
def test_what_cannot_be_built_is_told(spec, size, error, message):
    with pytest.raises(error, match=message):
        build_backbone(spec, weights="random", size=size)


def test_birdnet_has_no_pretrained_weights():
    with pytest.raises(SettingError, match="birds-1"):
        build_backbone(BackboneSpec("birdnet"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({}, "source"),
        ("birdnet", "source"),
        ({"source": 5}, "source"),
        ({"source": "birdnet", "layer": 3}, "layer"),
        ({"source": "birdnet", "larger": -1}, "larger"),
        ({"source": "birdnet", "larger": True}, "larger"),
        ({"source": "birdnet", "surgery": "x"}, "surgery.*vgg-gap"),
        ({"source": "birdnet", "options": []}, "options"),
        ({"source": "birdnet", "lager": 1}, "lager.*did you mean 'larger'"),
    ],
)
def test_a_wrong_field_is_named(value, message):
    with pytest.raises(SettingError, match=message):
        BackboneSpec.from_json(value)


def test_json_round_trip():
    spec = BackboneSpec("timm:vgg16", "features", 1, "vgg-gap", {"drop_rate": 0.5})
    assert BackboneSpec.from_json(spec.to_json()) == spec


def test_weights_of_the_source_or_of_a_network_on_it(tmp_path):
    spec = BackboneSpec("birdnet", options=SMALL)
    donor = build_backbone(spec, weights="random", seed=5)
    state = donor.state_dict()
    whole = {n.removeprefix("network."): v for n, v in state.items()} | {
        "fc.weight": torch.ones(7, 12)
    }
    save_file(whole, tmp_path / "source.safetensors")
    save_file({f"backbone.{n}": v for n, v in state.items()}, tmp_path / "weights.safetensors")
    x = noise(32, 32)
    for path in (tmp_path / "source.safetensors", tmp_path):
        assert torch.equal(build_backbone(spec, weights=path)(x), donor(x))
    whole.pop("stem.0.weight")
    save_file(whole, tmp_path / "less.safetensors")
    with pytest.raises(WeightsError, match=r"1 missing \('network\.stem\.0\.weight'\)"):
        build_backbone(spec, weights=tmp_path / "less.safetensors")


def test_whole_networks_are_no_backbones(monkeypatch):
    monkeypatch.setattr("regionwise.models.backbones.is_network", lambda _: True)
    with pytest.raises(ModelError, match="whole network"):
        build_backbone(BackboneSpec("birds-1"))


def test_it_compiles_to_the_same(home, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    backbone = build_backbone(BackboneSpec(f"{home}:net"), size=(32, 32))
    x = noise(32, 32)
    compiled = torch.compile(backbone, backend="eager", fullgraph=True)
    with torch.no_grad():
        assert torch.allclose(compiled(x), backbone(x))


def test_tokens_of_another_size_are_read_again():
    options = {"dynamic_img_size": True, "depth": 1}
    spec = BackboneSpec("timm:vit_tiny_patch16_224", options=options)
    backbone = build_backbone(spec, weights="random", size=(64, 96))
    assert backbone(noise(64, 96)).shape == (2, 192, 4, 6)
    assert backbone(noise(96, 64)).shape == (2, 192, 6, 4)
    assert backbone(noise(96, 96)).shape == (2, 192, 6, 6)


def test_a_layer_in_the_middle():
    spec = BackboneSpec("timm:resnet10t", layer="layer3")
    backbone = build_backbone(spec, weights="random", size=(64, 64))
    assert backbone(noise(64, 64)).shape == (2, 256, 4, 4)
    assert not any("layer4" in name for name in backbone.state_dict())


def test_every_weight_left_gets_a_gradient(home):
    backbone = build_backbone(BackboneSpec(f"{home}:told"), size=(32, 32)).train()
    backbone(noise(32, 32)).square().sum().backward()
    assert all(p.grad is not None for p in backbone.parameters() if p.requires_grad)
