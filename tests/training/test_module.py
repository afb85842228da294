"""The network in training: what learns, in which precision, and what is told when it goes wrong."""

import pytest
import torch
from torch import nn

from regionwise.errors import ModelError
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.models.backbones import BackboneSpec
from regionwise.models.preprocessing import Preprocessing
from regionwise.training.module import RegionTraining, kept_so_far
from regionwise.training.recipes import scheme_card
from regionwise.training.schemes import changed

HOW = Preprocessing(size=(32, 32), resize=32)


def network_for(scheme):
    options = {"temperatures": scheme.temperatures} if scheme.head == "cape" else {}
    backbone = BackboneSpec("birdnet", options={"widths": [4, 4, 4, 4, 8]})
    spec = NetworkSpec(backbone, scheme.head, 3, options, vanilla=scheme.vanilla)
    return build_network(spec, weights="random", size=(32, 32))


def training_for(name, *settings, **named):
    scheme = changed(scheme_card(name).scheme, settings)
    return RegionTraining(network_for(scheme), scheme, HOW, **named)


def batch(count=4):
    pixels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    return pixels, torch.arange(count) % 3, torch.arange(count)


LEARNS_WITHOUT = [
    ("direct-ce",),
    ("from-scratch", "vanilla=false", "beta=0", "cross_entropy=head", "detach=false"),
]


@pytest.mark.parametrize("asked", LEARNS_WITHOUT, ids=["direct-ce", "alpha alone"])
def test_every_weight_that_learns_has_a_gradient(asked):
    """Several devices wait for all of them; T' has none where no loss uses it."""
    training = training_for(*asked)
    assert not training.network.head.log_temperatures.requires_grad
    training.step(batch()).loss.backward()
    learning = [p for g in training.configure_optimizers().param_groups for p in g["params"]]
    assert all(weight.grad is not None for weight in learning)
    assert all(weight.requires_grad for weight in learning)


@pytest.mark.parametrize("name", ["post-fitting", "from-scratch", "from-scratch-code"])
def test_the_temperatures_learn_where_the_loss_uses_them(name):
    training = training_for(name)
    training.step(batch()).loss.backward()
    temperatures = training.network.head.log_temperatures
    assert temperatures.grad is not None
    learning = training.configure_optimizers().param_groups
    assert any(weight is temperatures for group in learning for weight in group["params"])


@pytest.mark.parametrize("name", ["vanilla", "from-scratch", "calm-em"])
def test_pixels_are_fed_in_the_precision_of_the_weights(name):
    training = training_for(name).double()
    step = training.step(batch())
    assert step.said.dtype == torch.float64 or name == "vanilla"
    step.loss.backward()


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_loss_that_is_not_finite_names_the_images(part):
    names = {part: [f"{letter}.png" for letter in "abcdef"]}
    training = training_for("vanilla", names=names)
    nn.init.constant_(training.network.head.linear.weight, float("nan"))
    wanted = rf"nan in epoch 1, {part} batch 8 \(images 'a\.png', 'b\.png', .* and 2 more\)"
    run = training.training_step if part == "train" else training.validation_step
    with pytest.raises(ModelError, match=wanted):
        run(batch(6), 7)


def test_what_is_kept_depends_on_whether_there_was_an_epoch():
    assert "no weights yet" in kept_so_far(0)
    assert "best weights so far are kept" in kept_so_far(1)
