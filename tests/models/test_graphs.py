"""The operations of a network in order, and the network cut behind one of them."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.errors import LayerError, ModelError
from regionwise.models.cutting import Cut, cut_backbone
from regionwise.models.graphs import last_map, steps_of, trunk_of
from regionwise.models.grids import Hints

SIZE = (16, 24)
X = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))


class Pooling(nn.Module):
    """Like VGG: pooling, and pooling again to a fixed number of cells, before the classifier."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(2))
        self.drop = nn.Dropout2d()
        self.fc = nn.Linear(4 * 6, 5)

    def forward(self, x):
        x = F.adaptive_avg_pool2d(self.drop(self.features(x)), (2, 3))
        return self.fc(torch.flatten(x, 1))


class InPlace(nn.Module):
    """A rectification whose result is not passed on, but met again in its input."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        x = self.conv(x)
        F.relu_(x)
        return self.fc((x * 2).mean((2, 3)))


def test_steps_have_names_kinds_and_shapes():
    steps = steps_of(Pooling().eval(), X)
    assert [s.name for s in steps] == [
        "features.0",
        "features.1",
        "features.2",
        "drop",
        "adaptive_avg_pool2d",
        "flatten",
        "fc",
    ]
    assert [s.kind for s in steps][1:6] == [
        "ReLU",
        "MaxPool2d",
        "Dropout2d",
        "adaptive_avg_pool2d",
        "flatten",
    ]
    assert steps[2].given == (2, 4, 16, 24)
    assert steps[2].value.shape == (2, 4, 8, 12)
    assert [s.weighs for s in steps] == [True, *[False] * 5, True]


def test_the_last_map_lies_before_pooling():
    assert last_map(steps_of(Pooling().eval(), X), SIZE, Hints()).name == "features.1"


def test_the_image_itself_is_no_map_of_the_network():
    network = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3 * 8 * 12, 5))
    with pytest.raises(LayerError, match="16 x 24"):
        last_map(steps_of(network, X), SIZE, Hints())


def test_a_trunk_has_the_modules_before_the_cut_alone_and_their_weights():
    network = Pooling().eval()
    trunk = trunk_of(network, "features.2")
    assert torch.equal(trunk(X), network.features(X))
    assert set(trunk.state_dict()) == {"features.0.weight", "features.0.bias"}
    assert trunk.features.get_submodule("0").weight is network.features[0].weight
    assert torch.equal(trunk_of(network, "features")(X), network.features(X))


def test_the_network_keeps_its_mode():
    network = Pooling().train()
    network.drop.eval()
    trunk_of(network, "features")
    assert network.training
    assert not network.drop.training


def test_a_step_that_is_not_there():
    with pytest.raises(LayerError, match=r"did you mean 'features\.1'"):
        trunk_of(Pooling(), "feature.1")


def test_work_in_place_that_a_cut_would_lose_is_refused():
    with pytest.raises(ModelError, match="in place"):
        cut_backbone(InPlace().eval(), Cut(), X)
