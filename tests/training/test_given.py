"""What a finished network gives to a run: its backbone, and its vanilla head where it has one."""

import pytest
import torch

from regionwise.errors import ModelError
from regionwise.training.given import open_given, vanilla_of
from regionwise.zoo import load_model

NETS = """
import torch
from torch import nn


def body(*between):
    torch.manual_seed(0)
    front = (nn.Conv2d(3, 4, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*front, *between, nn.Linear(4, 3))


def plain():
    return body()


def curved():
    return body(nn.LayerNorm(4))


def zero():
    module = body(nn.LayerNorm(4))
    nn.init.zeros_(module[-1].weight)
    nn.init.zeros_(module[-1].bias)
    return module
"""


@pytest.fixture
def nets(tmp_path):
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    return path


def test_the_vanilla_head_of_a_shipped_classifier_is_its_last_layer():
    given = open_given("birds-1")
    linear = load_model("birds-1").module.fc
    assert torch.equal(vanilla_of(given, 24).weight, linear.weight)
    assert torch.equal(vanilla_of(given, 24).bias, linear.bias)
    assert len(given.class_names) == 24


@pytest.mark.parametrize("name", ["curved", "zero"])
def test_what_stands_between_is_named_also_behind_a_head_of_zeros(nets, name):
    """With weights of zero any map fits in numbers."""
    with pytest.raises(ModelError, match=r"cannot be post-fitted: .*LayerNorm stands between"):
        vanilla_of(open_given(f"{nets}:{name}"), 3)


def test_another_number_of_classes_is_told(nets):
    with pytest.raises(ModelError, match="knows 3 classes and the data have 5"):
        vanilla_of(open_given(f"{nets}:plain"), 5)


@pytest.mark.parametrize("name", ["birds-cape", "birds-calm"])
def test_a_network_that_was_given_no_vanilla_head_has_none(name):
    with pytest.raises(ModelError, match="no vanilla head; train one on its backbone"):
        vanilla_of(open_given(name), 24)
