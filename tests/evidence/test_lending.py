"""A model that was lent: copies meanwhile, and everything back afterwards."""

import random
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import nn

from footprint import assert_untouched, snapshot
from regionwise.evidence.lending import lent


def test_the_model_works_the_same_on_copies(pooled_net, images):
    expected = pooled_net(images)
    mine = dict(pooled_net.named_parameters())
    with lent(pooled_net):
        torch.testing.assert_close(pooled_net(images), expected)
        for name, parameter in pooled_net.named_parameters():
            assert parameter is not mine[name]
            assert parameter.requires_grad
    assert all(p is mine[name] for name, p in pooled_net.named_parameters())


def test_what_is_shared_stays_shared():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[1].weight = model[0].weight
    with lent(model):
        assert model[1].weight is model[0].weight
        model(torch.rand(3, 2))
        assert model[2].num_batches_tracked == 1
    assert model[2].num_batches_tracked == 0


@pytest.mark.parametrize("fails", [False, True])
def test_everything_comes_back(pooled_net, images, fails):
    pooled_net.features[0].weight.grad = torch.ones_like(pooled_net.features[0].weight)
    pooled_net.features[1].train()
    pooled_net.fc.register_forward_hook(lambda *_: None)
    before = snapshot(pooled_net)
    with suppress(ZeroDivisionError), lent(pooled_net):
        pooled_net.train()
        pooled_net(images).sum().backward()
        for parameter in pooled_net.parameters():
            parameter.data.mul_(3)
            parameter.requires_grad_(False)
        pooled_net.fc._forward_hooks.clear()
        pooled_net.pool.register_forward_pre_hook(lambda *_: None)
        pooled_net.fc = nn.Identity()
        del pooled_net.pool
        pooled_net.forward = lambda x: x
        torch.set_grad_enabled(False)
        1 / (not fails)
    assert_untouched(before, pooled_net)
    assert torch.is_grad_enabled()


def test_a_graph_through_the_real_weights_stays_valid(pooled_net, images):
    score = pooled_net(images).square().sum()
    with lent(pooled_net), torch.no_grad():
        for parameter in pooled_net.parameters():
            parameter.add_(1)
    (gradient,) = torch.autograd.grad(score, [pooled_net.fc.weight])
    assert gradient.abs().sum() > 0


def test_random_numbers_start_from_the_seed_and_go_on_as_before(pooled_net):
    def draw():
        return torch.rand(1).item(), np.random.rand(), random.random()  # noqa: NPY002, S311

    with lent(pooled_net, seed=1):
        first = draw()
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    random.seed(5)
    expected = draw()
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    random.seed(5)
    with lent(pooled_net, seed=1):
        assert draw() == first
    # Python's own generator is also drawn from by the checks of this suite
    assert draw()[:2] == expected[:2]


def test_gradients_are_on_where_they_were_off(pooled_net, images):
    with torch.no_grad(), lent(pooled_net):
        assert pooled_net(images).requires_grad


@pytest.mark.gpu
def test_random_numbers_of_the_device_too(pooled_net):
    pooled_net.cuda()
    torch.cuda.manual_seed(3)
    expected = torch.rand(2, device="cuda")
    torch.cuda.manual_seed(3)
    drawn = []
    for _ in range(2):
        with lent(pooled_net):
            drawn.append(torch.rand(2, device="cuda"))
    assert torch.equal(*drawn)
    assert torch.equal(torch.rand(2, device="cuda"), expected)
