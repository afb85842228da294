"""Masked logits from one call to the next: the same numbers, and no mask twice."""

import torch
from torch import nn

from regionwise import Classifier, explain, remembering
from regionwise.evidence.remembering import Memory


class Counting(nn.Module):
    """Counts the pictures that it sees."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(3, 5, 3, stride=2, padding=1)
        self.fc = nn.Linear(5, 4)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
        self.seen = 0

    def forward(self, x):
        self.seen += len(x)
        return self.fc(self.conv(x).relu().mean(dim=(2, 3)))


def counted(model, images, method, target):
    before = model.seen
    maps = explain(model, images, method, target, layer="conv").maps
    return maps, model.seen - before


IMAGES = torch.randn(3, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def test_another_target_costs_one_pass_and_gives_the_same_map():
    model = Counting().eval()
    for method in ("score-cam", "score-cam++", "rise:masks=7", "occlusion"):
        plain = [explain(model, IMAGES, method, t, layer="conv").maps for t in (0, 3)]
        with remembering(model):
            first, _ = counted(model, IMAGES, method, 0)
            second, passes = counted(model, IMAGES, method, 3)
        assert torch.equal(first, plain[0])
        assert torch.equal(second, plain[1])
        assert passes == 3, method


def test_a_classifier_stands_for_its_network():
    model = Counting().eval()
    with remembering(Classifier(model)):
        counted(model, IMAGES, "score-cam", 0)
        assert counted(model, IMAGES, "score-cam", 3)[1] == 3


def test_only_new_pictures_are_scored():
    model = Counting().eval()
    with remembering(model):
        counted(model, IMAGES[:2], "score-cam", 0)
        maps, passes = counted(model, IMAGES, "score-cam", 0)
    assert passes == 3 + 5
    assert torch.equal(maps, explain(model, IMAGES, "score-cam", 0, layer="conv").maps)


def test_masks_that_depend_on_the_target_are_scored_again():
    model = Counting().eval()
    plain = explain(model, IMAGES, "union-cam", 3, layer="conv").maps
    with remembering(model):
        explain(model, IMAGES, "union-cam", 0, layer="conv")
        assert torch.equal(explain(model, IMAGES, "union-cam", 3, layer="conv").maps, plain)


def test_changed_weights_are_seen():
    model = Counting().eval()
    with remembering(model):
        before = explain(model, IMAGES, "score-cam", 0, layer="conv").maps
        with torch.no_grad():
            model.fc.weight.mul_(-1)
        after = explain(model, IMAGES, "score-cam", 0, layer="conv").maps
    assert torch.equal(after, explain(model, IMAGES, "score-cam", 0, layer="conv").maps)
    assert not torch.equal(before, after)


def test_another_network_is_not_confused():
    model, other = Counting().eval(), Counting().eval()
    with torch.no_grad():
        other.fc.bias.add_(torch.arange(4.0))
    with remembering(model):
        explain(model, IMAGES, "score-cam", 0, layer="conv")
        maps = explain(other, IMAGES, "score-cam", 0, layer="conv").maps
    assert torch.equal(maps, explain(other, IMAGES, "score-cam", 0, layer="conv").maps)


def test_what_is_kept_is_bounded():
    model = Counting().eval()
    memory = Memory(model, most=5 * 4)
    with remembering(memory):
        counted(model, IMAGES, "score-cam", 0)
        _, passes = counted(model, IMAGES[2:], "score-cam", 0)
        assert passes == 1
        _, passes = counted(model, IMAGES[:1], "score-cam", 0)
        assert passes == 6


def test_nothing_is_remembered_outside():
    model = Counting().eval()
    with remembering(model):
        explain(model, IMAGES, "score-cam", 0, layer="conv")
    assert counted(model, IMAGES, "score-cam", 0)[1] == 3 + 15
