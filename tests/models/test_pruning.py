"""What a map does not depend on is left out, and what cannot be left out is frozen."""

import pytest
import torch
from torch import nn

from regionwise.models.pruning import prune


class Net(nn.Module):
    """A map, a head that is never run, one that is run for nothing, and a weight by itself."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)
        self.side = nn.Sequential(nn.ReLU(), nn.Conv2d(4, 1, 1))
        self.lonely = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        x = self.body(x)
        self.side(x)
        return x


class Looking(Net):
    """It looks at a weight of the head that it never runs."""

    def forward(self, x):
        return self.body(x) * self.head.weight.shape[0]


@pytest.fixture
def x():
    return torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))


def test_modules_that_nothing_depends_on_become_identities(x):
    network = Net().eval()
    before = network(x)
    prune(network, lambda: network(x))
    assert torch.equal(network(x), before)
    assert isinstance(network.head, nn.Identity)
    assert [type(m).__name__ for m in network.body] == ["Conv2d", "BatchNorm2d"]
    assert {n for n, p in network.named_parameters() if p.requires_grad} == {
        "body.0.weight",
        "body.0.bias",
        "body.1.weight",
        "body.1.bias",
    }
    assert not network.lonely.requires_grad


def test_a_module_that_is_looked_at_stays_and_is_frozen(x):
    network = Looking().eval()
    before = network(x)
    prune(network, lambda: network(x))
    assert torch.equal(network(x), before)
    assert isinstance(network.head, nn.Linear)
    assert not network.head.weight.requires_grad
    assert network.body[0].weight.requires_grad


def test_it_works_where_gradients_are_off(x):
    network = Net().eval()
    with torch.no_grad():
        prune(network, lambda: network(x))
    assert isinstance(network.head, nn.Identity)
    assert isinstance(network.body[0], nn.Conv2d)
