"""CAPE: replica, hand, invariances, what it takes over, what it refuses."""

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from heads.joints import SHAPES, activations_of, head_of
from regionwise.errors import ModelError, SettingError
from regionwise.heads.cape import Cape, cape_joint, class_maps_of, naive_joint
from regionwise.heads.pooled import Pooled, PooledHead
from replicas import cape as replica
from samples import assert_same, float64

TEMPERATURES = [(0.0, 0.0, 0.0), (0.4, -0.3, 0.0), (-0.2, 0.7, 0.9)]


def random_maps(shape, seed=0):
    n, _, y, i, j = shape
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, y, i, j, generator=generator, dtype=torch.float64) * 2


@pytest.mark.parametrize("temperatures", TEMPERATURES, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica(shape, temperatures):
    maps = random_maps(shape)
    joint = cape_joint(maps, *temperatures)
    t1, t2, t3 = temperatures
    assert_same(joint.log_joint.exp(), replica.every(replica.contributions, maps, *temperatures))
    assert_same(joint.log_conditional.exp(), replica.every(replica.conditional, maps, t1, t3))
    assert_same(joint.saliency, replica.every(replica.saliency, maps, t2, t3))
    assert_same(joint.probabilities, replica.every(replica.prediction, maps, *temperatures))
    mu = replica.every(replica.mu_map, maps, t1, t2)
    for c in range(maps.shape[1]):
        assert_same(joint.mu(c)[:, 0], mu[:, c])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica_of_the_naive_average(shape):
    maps = random_maps(shape)
    joint = naive_joint(maps)
    assert_same(joint.log_joint.exp(), replica.every(replica.naive_contributions, maps))
    assert_same(joint.saliency, np.full(joint.saliency.shape, 1 / math.prod(shape[3:])))


@pytest.mark.parametrize("count", ["one", "three"])
def test_replica_of_the_head(count):
    head = head_of("cape three" if count == "three" else "cape")
    activations = activations_of()
    maps = replica.class_maps(activations, head.weight.detach(), head.bias.detach())
    times = head.log_temperatures.tolist()
    t1, t2, t3 = times if count == "three" else (0.0, 0.0, times[0])
    prediction = replica.every(replica.prediction, maps, t1, t2)
    soft = replica.every(replica.prediction, maps, t1, t2, t3)
    assert_same(head(activations).exp(), prediction)
    assert_same(head.soft_log_probabilities(activations).exp(), soft)
    joint, both = head.both(activations)
    assert_same(joint.probabilities, prediction)
    assert_same(both.exp(), soft)
    assert abs(prediction - soft).max() > 1e-3


def test_by_hand():
    """Two classes, two cells; weights of ln 2 make every softmax a fraction."""
    maps = float64([[[[2.0, 0.0]], [[0.0, 0.0]]]]) * math.log(2)
    joint = cape_joint(maps)
    # class softmax: 4/5 1/5 | 1/2 1/2; mean maps ln 2, 0: cells 2/3, 1/3
    assert_same(joint.attribution(0), [[[[8 / 15, 1 / 6]]]], tolerance=1e-14)
    assert_same(joint.attribution(1), [[[[2 / 15, 1 / 6]]]], tolerance=1e-14)
    assert_same(joint.probabilities, [[0.7, 0.3]], tolerance=1e-14)
    assert_same(naive_joint(maps).probabilities, [[0.65, 0.35]], tolerance=1e-14)
    cold = cape_joint(maps, log_soft=-math.log(2))
    # everything doubled: 16/17 1/17 | 1/2 1/2; cells 4/5, 1/5
    assert_same(cold.probabilities[0, 0], 16 / 17 * 4 / 5 + 1 / 10, tolerance=1e-14)
    assert_same(cold.energies, joint.energies)


def test_it_is_not_the_joint_softmax_of_equation_9():
    maps = random_maps((2, 1, 4, 3, 3))
    ours = cape_joint(maps).log_joint.exp()
    printed = replica.every(replica.joint_softmax, maps)
    assert_same(printed.sum((1, 2, 3)), np.ones(2))
    assert abs(ours.numpy() - printed).max() > 1e-2


def test_the_temperature_may_be_a_number_or_a_parameter():
    maps = random_maps((1, 1, 3, 2, 2))
    for place in range(3):
        numbers = [0.0, 0.0, 0.0]
        numbers[place] = 0.7
        tensors = [float64(value) for value in numbers]
        assert_same(cape_joint(maps, *numbers).log_joint, cape_joint(maps, *tensors).log_joint)


def test_a_constant_on_all_logits_changes_cape_nowhere_but_mu_cape():
    maps = random_maps((2, 1, 4, 3, 3))
    here, there = cape_joint(maps), cape_joint(maps + 3)
    assert_same(here.log_joint, there.log_joint)
    assert (here.mu(1) - there.mu(1)).abs().max() > 1


def test_a_vector_added_to_all_class_weights():
    """The vanilla prediction cannot tell; CAPE and mu-CAPE read off the shelf can."""
    head, activations = head_of("cape"), activations_of()
    shift = torch.linspace(-1, 1, 4, dtype=torch.float64)
    moved = class_maps_of(activations, head.weight + shift, head.bias)
    maps = class_maps_of(activations, head.weight, head.bias)
    vanilla = replica.vanilla(activations, head.weight.detach(), head.bias.detach())
    assert_same(maps.mean((2, 3)), vanilla)
    assert_same(moved.mean((2, 3)).softmax(1), maps.mean((2, 3)).softmax(1))
    here, there = cape_joint(maps), cape_joint(moved)
    assert_same(here.log_conditional, there.log_conditional)
    assert (here.saliency - there.saliency).abs().max() > 0.01
    assert (here.probabilities - there.probabilities).abs().max() > 0.01
    assert (here.mu(0) - there.mu(0)).abs().max() > 0.1
    assert_same(naive_joint(maps).probabilities, naive_joint(moved).probabilities)


def test_one_cell_is_the_vanilla_head():
    """Where there is nothing to average, CAPE, the naive average and pooling agree."""
    head, activations = head_of("cape"), activations_of(i=1, j=1)
    pooled = Pooled(4, 5).double()
    with torch.no_grad():
        pooled.linear.weight.copy_(head.weight)
        pooled.linear.bias.copy_(head.bias)
    vanilla = pooled(activations).softmax(1)
    assert_same(head.joint(activations).probabilities, vanilla)
    maps = class_maps_of(activations, head.weight, head.bias)
    assert_same(naive_joint(maps).probabilities, vanilla)


@pytest.mark.parametrize("bias", [True, False])
def test_taking_over_a_linear_layer(bias):
    linear = nn.Linear(4, 5, bias=bias).double()
    head = Cape(4, 5).double()
    head.copy_from(linear)
    assert_same(head.weight, linear.weight)
    assert_same(head.bias, linear.bias if bias else np.zeros(5))
    assert head.weight.requires_grad
    before = linear.weight.detach().clone()
    with torch.no_grad():
        head.weight.add_(1)
    assert torch.equal(linear.weight, before)


def test_taking_over_a_head_that_was_found():
    weight, bias = torch.randn(5, 4), torch.randn(5)
    head = Cape(4, 5)
    head.copy_from(PooledHead(weight, bias, "fc"))
    assert torch.equal(head.weight.detach(), weight)
    assert torch.equal(head.bias.detach(), bias)


@pytest.mark.parametrize("sizes", [(4, 6), (3, 5), (5, 4)])
def test_a_head_of_another_size_does_not_fit(sizes):
    head = Cape(4, 5)
    before = copy.deepcopy(head.state_dict())
    with pytest.raises(ModelError, match=r"4 channels|for 4 and 5"):
        head.copy_from(nn.Linear(*sizes))
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_temperatures_start_at_one_and_are_told_apart():
    assert_same(Cape(4, 5).log_temperatures, [0.0])
    assert_same(Cape(4, 5, temperatures="three").log_temperatures, [0.0] * 3)
    with pytest.raises(Exception, match="temperatures"):
        Cape(4, 5, temperatures="two")


def test_the_papers_temperature_is_for_the_distillation_alone():
    head, activations = head_of("cape"), activations_of()
    head(activations).sum().backward()
    assert head.log_temperatures.grad is None
    head.soft_log_probabilities(activations).sum().backward()
    assert head.log_temperatures.grad.abs().min() > 1e-6


@pytest.mark.parametrize("kind", ["cape", "cape three"])
def test_gradients(kind):
    head = head_of(kind, 3, 4)
    names = [name for name, _ in head.named_parameters()]

    def both(activations, *parameters):
        state = dict(zip(names, parameters, strict=True))
        run = torch.func.functional_call(head, state, (activations,))
        swapped = Swapped(head, state)
        return run, swapped.soft(activations), swapped.joint(activations).attribution(1)

    inputs = [activations_of(2, 3, 2, 2), *(p.detach().clone() for p in head.parameters())]
    inputs = [tensor.requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(both, inputs)


class Swapped:
    """The head with other parameters, for what is not its forward."""

    def __init__(self, head, state):
        self.head, self.state = head, state

    def soft(self, activations):
        return self._call("soft_log_probabilities", activations)

    def joint(self, activations):
        return self._call("joint", activations)

    def _call(self, name, activations):
        holder = Holder(self.head, name)
        state = {f"head.{key}": value for key, value in self.state.items()}
        return torch.func.functional_call(holder, state, (activations,))


class Holder(nn.Module):
    def __init__(self, head, name):
        super().__init__()
        self.head, self.name = head, name

    def forward(self, activations):
        return getattr(self.head, self.name)(activations)


def test_what_it_takes():
    head = Cape(4, 5)
    with pytest.raises(ModelError, match=r"activations \(n, 4, rows, columns\)"):
        head(torch.zeros(2, 3, 2, 2))
    with pytest.raises(SettingError):
        Cape(0, 5)


def test_without_temperatures_the_class_maps_are_not_copied():
    maps = random_maps((2, 1, 3, 2, 2))
    of_class, mean = cape_joint(maps).terms
    assert of_class is maps
    assert_same(mean, maps.mean(1))
    assert cape_joint(maps, 0.1).terms[0] is not maps
