"""Memory and passes, on work whose memory and passes are known."""

import copy

import pytest
import torch
from bench.counting import counted
from bench.memory import peak, resident
from torch import nn

MIB = 2**20


def block(mib):
    return torch.zeros(mib * MIB // 4)


def test_peak_is_the_most_that_was_held_at_once():
    def run():
        block(8)
        first = block(3)
        second = block(4)
        del first, second
        block(2)

    assert peak(run) == 8 * MIB


def test_what_is_kept_counts_and_what_was_there_before_does_not():
    before = block(16)

    def run():
        held = [block(2), block(3), before]
        return sum(len(one) for one in held)

    assert peak(run) == 5 * MIB


def test_a_graph_counts_until_its_backward_pass_is_done():
    leaf = torch.ones(MIB // 4, requires_grad=True)

    def forward():
        return leaf.exp().exp()

    graph = peak(lambda: forward().sum())
    with torch.no_grad():
        plain = peak(lambda: forward().sum())
    assert graph >= plain >= 2 * MIB


def test_resident_memory_is_told_or_unknown():
    assert resident() is None or resident() > MIB


@pytest.fixture
def model():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.Conv2d(2, 2, 1), nn.Flatten(), nn.Linear(8, 5))


def test_images_through_the_first_convolution_and_backward_calls(model):
    with counted() as passes:
        model(torch.zeros(4, 3, 2, 2))
        copy.deepcopy(model)(torch.zeros(3, 3, 2, 2)).sum().backward()
        inputs = torch.zeros(1, 3, 2, 2, requires_grad=True)
        torch.autograd.grad(model(inputs).sum(), inputs)
    assert (passes.images, passes.backward) == (8, 2)


def test_nothing_is_counted_afterwards(model):
    with counted() as passes:
        pass
    model(torch.zeros(4, 3, 2, 2)).sum().backward()
    assert (passes.images, passes.backward) == (0, 0)


def test_a_tail_that_runs_alone_is_no_pass(model):
    with counted() as passes:
        model[1:](torch.zeros(4, 2, 2, 2))
    assert passes.images == 0
