"""A head, and any question of its joint, as one exported graph: that needs no gradient."""

import pytest
import torch
from torch import nn

from heads.joints import HEADS, activations_of, head_of

QUESTIONS = {
    "probabilities": lambda joint: joint.probabilities,
    "attribution": lambda joint: joint.attribution(2),
    "all contributions": lambda joint: joint.log_joint.exp(),
    "posterior": lambda joint: joint.posterior(1),
    "subset": lambda joint: joint.subset([0, 2]),
    "counterfactual": lambda joint: joint.counterfactual(1, 4),
    "saliency": lambda joint: joint.saliency,
}


class Asked(nn.Module):
    def __init__(self, head, question):
        super().__init__()
        self.head, self.question = head, question

    def forward(self, activations):
        return self.question(self.head.joint(activations))


class AskedAboutClasses(nn.Module):
    def __init__(self, head):
        super().__init__()
        self.head = head

    def forward(self, activations, classes):
        return self.head.joint(activations).attribution(classes)


def exported(module, *inputs):
    dynamic = tuple({0: torch.export.Dim("n")} for _ in inputs)
    return torch.export.export(module.eval(), inputs, dynamic_shapes=dynamic).module()


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_of_cape(question):
    asked = Asked(head_of("cape", dtype=torch.float32), QUESTIONS[question])
    graph = exported(asked, activations_of(dtype=torch.float32))
    other = activations_of(5, dtype=torch.float32, seed=7)
    assert torch.allclose(graph(other), asked(other), atol=1e-6)


@pytest.mark.parametrize("kind", HEADS)
def test_every_head(kind):
    asked = Asked(head_of(kind, dtype=torch.float32), QUESTIONS["attribution"])
    graph = exported(asked, activations_of(dtype=torch.float32))
    other = activations_of(3, dtype=torch.float32, seed=7)
    assert torch.allclose(graph(other), asked(other), atol=1e-6)


def test_classes_may_be_an_input():
    asked = AskedAboutClasses(head_of("calm", dtype=torch.float32))
    inputs = activations_of(dtype=torch.float32), torch.tensor([[0, 1], [4, 2]])
    graph = torch.export.export(asked.eval(), inputs).module()
    other = activations_of(dtype=torch.float32, seed=7), torch.tensor([[3, 3], [0, 1]])
    assert torch.allclose(graph(*other), asked(*other), atol=1e-6)
