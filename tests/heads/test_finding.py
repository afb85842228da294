"""Finding the head behind a layer: only the one whose joint is the prediction."""

import pytest
import torch
from torch import nn

from heads.joints import HEADS, activations_of, head_of
from regionwise.errors import ModelError
from regionwise.heads.finding import find_joint
from regionwise.heads.pooled import Pooled


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_it_is_found_by_its_prediction(kind, dtype):
    head, activations = head_of(kind, dtype=dtype), activations_of(dtype=dtype)
    model = nn.Sequential(nn.Identity(), head)
    found, joint = find_joint(model, activations, model(activations))
    assert found == kind.split()[0]
    assert torch.equal(joint.log_probabilities, head(activations))


def test_logits_may_be_shifted_or_rounded():
    head, activations = head_of("cape"), activations_of()
    logits = head(activations)
    for other in (logits + 3, logits.float(), logits.bfloat16()):
        assert find_joint(nn.Sequential(head), activations, other)[0] == "cape"


def test_among_several_the_one_that_predicts():
    activations = activations_of()
    both = nn.ModuleDict({"first": head_of("cape", seed=5), "second": head_of("calm", seed=6)})
    for name, kind in (("first", "cape"), ("second", "calm")):
        assert find_joint(both, activations, both[name](activations))[0] == kind


def test_what_is_no_such_network():
    activations = activations_of()
    pooled = Pooled(4, 5).double()
    with pytest.raises(ModelError, match="no head that explains itself"):
        find_joint(pooled, activations, pooled(activations))
    both = nn.ModuleList([pooled, head_of("cape")])
    with pytest.raises(ModelError, match="does not take this layer"):
        find_joint(both, activations, pooled(activations))
    head = head_of("cape")
    for other in (activations_of(k=3), activations.relu()):
        with pytest.raises(ModelError, match="does not take this layer"):
            find_joint(nn.ModuleList([head]), other, head(activations))
