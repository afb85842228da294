"""Work is counted, in units of a forward pass."""

import pytest
import torch
from torch import nn

from regionwise.benchmark.cost import cost_items, measure_cost, work_of


def test_work_by_hand():
    layer, x = nn.Conv2d(2, 3, 1), torch.rand(1, 2, 4, 5, requires_grad=True)
    with torch.no_grad():
        assert work_of(lambda: layer(x)).forward == 2 * 2 * 3 * 20
    both = work_of(lambda: torch.autograd.grad(layer(x).sum(), x))
    assert both.forward == 2 * 2 * 3 * 20
    assert both.backward > 0


def test_masked_methods_cost_a_pass_for_each_channel(planned):
    plan, context = planned(
        methods=[{"use": ["grad-cam", "score-cam", "gradient"]}], cost={"images": 2}
    )
    found = {}
    for item in cost_items(plan):
        for block in measure_cost(item, plan, context):
            assert block.values.shape == (2, 1)
            found[item.method, block.statistic] = block.values.mean()
    assert found["grad-cam", "extra:forward"] == pytest.approx(1, abs=0.1)
    assert found["score-cam", "extra:forward"] == pytest.approx(7, abs=0.1)
    assert found["gradient", "extra:backward"] > 0.5
    assert found["score-cam", "extra:backward"] == 0
