"""Input gradient: max over colours of |dy/dx|."""

import pytest
import torch

from regionwise import explain
from regionwise.attribution.gradient import gradient_map
from replicas.common import array
from replicas.gradient import gradient_of, reduced
from samples import assert_same, chosen, float64

REDUCTIONS = ["max-abs", "sum-abs", "sum"]


@pytest.mark.parametrize("reduce", REDUCTIONS)
@pytest.mark.parametrize("shape", [(1, 1, 1, 1, 1), (2, 3, 3, 4, 5), (3, 1, 2, 5, 2)], ids=str)
def test_replica(shape, reduce):
    generator = torch.Generator().manual_seed(3)
    gradients = torch.randn(*shape, generator=generator, dtype=torch.float64)
    assert_same(gradient_map(gradients, reduce=reduce), reduced(gradients, reduce=reduce))


def test_by_hand():
    gradients = float64([[[[[1.0, -1.0]], [[-3.0, 0.0]], [[2.0, 0.5]]]]])
    assert gradient_map(gradients, reduce="max-abs").tolist() == [[[[3.0, 1.0]]]]
    assert gradient_map(gradients, reduce="sum-abs").tolist() == [[[[6.0, 1.5]]]]
    assert gradient_map(gradients, reduce="sum").tolist() == [[[[0.0, -0.5]]]]


@pytest.mark.parametrize("reduce", REDUCTIONS)
def test_on_networks(pooled_net, deep_tail_net, images, reduce):
    targets = chosen([0, 3], [2, 2], [1, 0])
    for model in (pooled_net, deep_tail_net):
        ours = explain(model, images, f"gradient:reduce={reduce}", targets=targets)
        expected = gradient_of(model, images, targets, reduce=reduce)
        assert abs(array(expected)).max() > 0
        assert_same(ours.maps, expected)


def test_the_default_is_the_largest_colour(pooled_net, images):
    default = explain(pooled_net, images, "gradient", targets=1).maps
    largest = explain(pooled_net, images, "gradient:reduce=max-abs", targets=1).maps
    assert torch.equal(default, largest)
