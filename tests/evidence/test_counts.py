"""Evidence is gathered once: passes counted by modules that note their forwards and backwards."""

from functools import partial

import pytest
import torch
from torch import nn

from regionwise import Probe, explain_all
from regionwise.evidence.masking import minmax_masks
from regionwise.evidence.needs import MASKED_SCORES

CHANNELS, CHUNK = 6, 4
SEVEN = ["cam", "grad-cam", "grad-cam++", "xgrad-cam", "layer-cam"]
MASKED = [f"score-cam:chunk={CHUNK}", f"score-cam++:chunk={CHUNK}"]


class Note(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, counter):
        ctx.counter = counter
        counter["forward"] += 1
        counter["images"] += len(x)
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        ctx.counter["backward"] += 1
        return gradient, None


class Counter(nn.Module):
    def __init__(self):
        super().__init__()
        self.reset()

    def reset(self):
        self.counts = {"forward": 0, "images": 0, "backward": 0}

    def forward(self, x):
        return Note.apply(x, self.counts)


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.early = Counter()
        self.stem = nn.Conv2d(3, CHANNELS, 3, padding=1, stride=2)
        self.trunk = Counter()
        self.last = nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), nn.Softplus())
        self.tail = Counter()
        self.fc = nn.Linear(CHANNELS, 5)

    def forward(self, x):
        x = self.last(self.trunk(self.stem(self.early(x))))
        return self.fc(self.tail(x).mean(dim=(-2, -1)))


def counted(methods, targets=None, n=3, factory=Counted):
    torch.manual_seed(3)
    net = factory()
    explain_all(net, torch.rand(n, 3, 12, 12), methods, targets, layer="last")
    return {name: getattr(net, name).counts for name in ("early", "trunk", "tail")}


def test_the_gradient_family_costs_one_forward_and_one_backward_through_the_tail():
    found = counted(SEVEN)
    assert found["trunk"] == {"forward": 1, "images": 3, "backward": 0}
    assert found["tail"] == {"forward": 1, "images": 3, "backward": 1}


def test_seven_methods_add_the_masked_passes_and_nothing_else():
    found = counted(SEVEN + MASKED)
    chunks = 2 * 3 * 2  # two kinds of masks, three images, six channels in chunks of four
    assert found["trunk"]["forward"] == 1 + chunks
    assert found["trunk"]["images"] == 3 + 2 * 3 * CHANNELS
    assert found["trunk"]["backward"] == 0
    assert found["tail"]["backward"] == 1


def test_gradient_adds_one_backward_through_the_trunk():
    found = counted([*SEVEN, *MASKED, "gradient"])
    assert found["early"]["backward"] == 1
    assert found["trunk"]["backward"] == 1
    assert found["tail"]["backward"] == 1  # the same pass gives the gradients of the layer
    assert found["trunk"]["images"] == 3 + 2 * 3 * CHANNELS


def test_a_further_target_costs_one_backward_through_the_tail():
    found = counted(SEVEN, targets="top-3")
    assert found["tail"]["backward"] == 3
    assert found["trunk"] == {"forward": 1, "images": 3, "backward": 0}


def test_methods_without_gradients_make_no_graph():
    found = counted(["cam", "random", "centre", "edges"])
    assert found["tail"] == {"forward": 1, "images": 3, "backward": 0}


def test_variants_with_the_same_masks_share_their_scores():
    found = counted([f"score-cam:chunk={CHUNK}", f"score-cam:chunk={CHUNK},variant=paper"])
    baseline = 1
    assert found["trunk"]["images"] == 3 + 3 * CHANNELS + baseline


def test_asking_for_more_targets_masks_nothing_twice():
    assert counted(MASKED, targets="top-4") == counted(MASKED)


def test_finding_the_layer_costs_one_pass_of_one_image_once():
    torch.manual_seed(3)
    net = Counted()
    inputs = torch.rand(3, 3, 12, 12)
    explain_all(net, inputs, ["grad-cam"])
    assert net.trunk.counts["images"] == 1 + 3
    explain_all(net, inputs, ["grad-cam"])
    assert net.trunk.counts["images"] == 1 + 3 + 3


class Given(nn.Module):
    """Counts its images; its map is what it was given."""

    def __init__(self, channels):
        super().__init__()
        self.channels, self.fed = channels, []
        self.last = nn.Identity()

    def forward(self, x):
        self.fed.append(x.clone())
        return self.last(self.channels.expand(len(x), -1, -1, -1)).mean(dim=(2, 3)) + x.mean()


def given(channels, method):
    net = Given(channels.double())
    inputs = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    found = explain_all(net, inputs, [method], 0, layer="last")
    (only,) = found.values()
    return only.details["channel_weights"], net.fed


def test_equal_channels_are_scored_once_and_empty_masks_with_one_empty_image():
    one = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    flat = torch.ones(2, 2)
    channels = torch.stack([one, 0 * flat, one, 7 * flat, one.T, 0 * flat, -0.0 * flat])
    weights, fed = given(channels, "score-cam")
    # the batch itself; one empty image for both; two different masks of each image
    assert [len(x) for x in fed] == [2, 1, 4] or [len(x) for x in fed] == [2, 4, 1]
    assert torch.equal(weights[:, :, 0], weights[:, :, 2])
    # tanh(7) is a mask like any other
    assert sum(len(x) for x in given(channels, "score-cam++")[1]) == 2 + 1 + 2 * 3
    # sigmoid(0) is no empty mask either
    fed = given(channels, "score-cam++:activation=sigmoid")[1]
    assert sum(len(x) for x in fed) == 2 + 2 * 4


def test_images_with_few_masks_share_a_pass():
    fed = given(torch.rand(3, 2, 2), "score-cam:chunk=8")[1]
    assert [len(x) for x in fed] == [2, 6]
    fed = given(torch.rand(3, 2, 2), "score-cam:chunk=5")[1]
    assert [len(x) for x in fed] == [2, 3, 3]


def test_a_budget_and_the_whole_score_no_channel_twice():
    channels = torch.rand(5, 2, 2, generator=torch.Generator().manual_seed(2))
    net = Given(channels.double())
    inputs = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    some = torch.tensor([[0, 3], [4, 1]])
    with Probe(net, inputs, 0, "last", needs=frozenset({MASKED_SCORES})) as probe:
        gate = partial(minmax_masks, size=probe.size)
        part = probe.masked_logits("key", gate, channels=some)
        assert sum(len(x) for x in net.fed) == 2 + 4
        whole = probe.masked_logits("key", gate)
        assert sum(len(x) for x in net.fed) == 2 + 10
        again = probe.masked_logits("key", gate, channels=some)
        assert sum(len(x) for x in net.fed) == 2 + 10
    assert torch.equal(part, again)
    assert torch.equal(part[1, 0], whole[1, 4])


class Curved(Counted):
    """Not linear behind the pooling: the tail has to run."""

    def forward(self, x):
        x = self.last(self.trunk(self.stem(self.early(x))))
        return self.fc(self.tail(x).mean(dim=(-2, -1)).tanh())


TAILED = ["ablation-cam", "lift-cam", "recipro-cam", "fd-cam"]


def test_behind_pooling_and_a_linear_layer_nothing_runs_again():
    found = counted(TAILED, targets="top-2")
    assert found["trunk"] == {"forward": 1, "images": 3, "backward": 0}
    assert found["tail"] == {"forward": 1, "images": 3, "backward": 2}


@pytest.mark.parametrize(
    ("method", "each", "chunked"),
    [
        ("ablation-cam", CHANNELS, 2),
        ("recipro-cam", 36, 9),
        ("fd-cam", 2 * CHANNELS, 4),
        ("lift-cam", 2, 1),  # a map, and the map of zeros
    ],
)
def test_elsewhere_only_the_tail_runs_again(method, each, chunked):
    found = counted([f"{method}:chunk={CHUNK}"], "top-2", factory=Curved)
    assert found["trunk"] == {"forward": 1, "images": 3, "backward": 0}
    # the batch, the check on one image given twice, and then each image by itself
    assert found["tail"]["images"] == 3 + 2 + 3 * each
    assert found["tail"]["forward"] == 1 + 1 + 3 * chunked
