"""Small networks in which the last map is not the obvious one."""

import pytest
import torch
from torch import nn

from nets import seeded
from regionwise import explain
from regionwise.errors import LayerError
from regionwise.evidence.tracing import resolve_layer, trace_layers
from regionwise.models.layers import choose_layer

HEAD = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def images(rows=16, columns=24, colours=3):
    generator = torch.Generator().manual_seed(5)
    return torch.randn(2, colours, rows, columns, generator=generator)


def chosen(model, inputs=None):
    model = seeded(lambda: model, seed=7, dtype=torch.float32)
    return choose_layer(trace_layers(model, images() if inputs is None else inputs))


def conv(out=6, into=3):
    return nn.Conv2d(into, out, 3, stride=2, padding=1)


class Classifies(nn.Module):
    """Features, then a classifier of every cell, a ReLU that is not in place, and pooling."""

    def __init__(self, classes=5):
        super().__init__()
        self.features = nn.Sequential(conv(), nn.ReLU())
        self.classify = nn.Conv2d(6, classes, 1)
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.classify(self.features(x))).mean((2, 3))


def test_class_maps_are_passed_over_for_the_features_they_are_made_of():
    assert chosen(Classifies()) == "features"


def test_as_many_channels_as_classes_do_not_make_a_class_map():
    assert chosen(nn.Sequential(conv(6), nn.ReLU(), *HEAD, nn.Linear(6, 6))) == "1"


def test_class_maps_are_taken_where_nothing_else_is_left():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.classify = conv(5)

        def forward(self, x):
            return self.classify(x).mean((2, 3))

    assert chosen(Bare()) == "classify"


class Normed(nn.Module):
    """Normalisation and activation in one module, as in timm, with an Identity between them."""

    def __init__(self):
        super().__init__()
        self.conv = conv()
        self.norm = self.Fused()
        self.head = nn.Linear(6, 4)

    class Fused(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(6))
            self.drop = nn.Identity()
            self.act = nn.ReLU(inplace=True)

        def forward(self, x):
            return self.act(self.drop(x * self.scale[:, None, None]))

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).mean((2, 3)))


def test_an_identity_inside_a_module_does_not_hide_what_the_module_gives():
    assert chosen(Normed()) == "norm"


def test_the_map_in_front_of_the_pooling_is_taken_not_the_pooled_one():
    pooled = nn.Sequential(conv(), nn.ReLU(), nn.MaxPool2d(2))
    model = nn.Sequential(pooled, nn.AdaptiveAvgPool2d((3, 4)), nn.Flatten(), nn.Linear(72, 4))
    assert chosen(model) == "0.1"


class PoolingBlock(nn.Module):
    """Pooling by name, with weights: a layer, not a summary of one."""

    def __init__(self):
        super().__init__()
        self.mix = nn.Conv2d(6, 6, 1)

    def forward(self, x):
        return x + torch.tanh(self.mix(nn.functional.avg_pool2d(x, 3, 1, 1)))


def test_a_block_with_weights_that_is_named_after_pooling_is_a_layer():
    assert chosen(nn.Sequential(conv(), PoolingBlock(), *HEAD, nn.Linear(6, 4))) == "1"


class SideWay(nn.Module):
    """A map that runs last but that no score reads."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(conv(), nn.ReLU())
        self.unused = nn.Conv2d(6, 6, 3, padding=1)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        x = self.features(x)
        self.unused(x)
        return self.head(x.mean((2, 3)))


def test_a_map_that_no_gradient_reaches_is_passed_over():
    assert chosen(SideWay()) == "features"


def test_a_network_without_a_map_is_refused():
    with pytest.raises(LayerError, match="no layer with a spatial map"):
        chosen(nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 24, 4)))


def test_a_refused_layer_points_to_the_list(pooled_net):
    inputs = images().double()
    with pytest.raises(LayerError, match="regionwise layers MODEL"):
        explain(pooled_net, inputs, layer="fc")
    with pytest.raises(LayerError, match=r"features.*regionwise layers MODEL"):
        explain(pooled_net, inputs, layer="featurs")


def test_the_choice_is_made_once_per_size(pooled_net, monkeypatch):
    inputs = images().double()
    name, _ = resolve_layer(pooled_net, None, inputs)
    monkeypatch.setattr("regionwise.evidence.tracing.trace_layers", None)
    assert resolve_layer(pooled_net, None, inputs)[0] == name == "features"
