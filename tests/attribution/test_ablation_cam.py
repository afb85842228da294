"""Ablation-CAM: what the score loses with a channel."""

import math

import pytest
import torch

from nets import seeded
from regionwise import Versus, explain
from regionwise.attribution.ablation_cam import ablation_weights, without_channels
from regionwise.evidence.probe import Probe
from replicas.ablation_cam import ablation_cam_of, channel_weights
from replicas.common import array
from samples import assert_same, chosen, float64
from tails import DisguisedHead, Vgg

VARIANTS = ["paper", "absolute", "difference"]
TARGETS = chosen([0, 3], [2, 2], [1, 0])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", ["pooled", "deep", "disguised", "vgg"])
def test_on_networks(pooled_net, deep_tail_net, images, kind, variant):
    model, layer, rule = {
        "pooled": (pooled_net, "features", "closed form"),
        "deep": (deep_tail_net, "stem", "tail"),
        "disguised": (seeded(DisguisedHead, 3), "layer", "tail"),
        "vgg": (seeded(Vgg, 4), "layer", "tail"),
    }[kind]
    ours = explain(model, images, f"ablation-cam:variant={variant}", TARGETS, layer)
    assert ours.details["rule"] == rule
    assert (ours.scores < 0).any()
    expected = ablation_cam_of(model.trunk, model.tail, images, TARGETS, variant=variant)
    assert array(expected).max() > 0
    assert_same(ours.maps, expected)


def test_by_hand():
    """Pooling, W = [[2, -1], [1, 3]], b = (1, 0), means 2 and 3: y = (2, 11).

    Without channel 0: (-2, 9); without channel 1: (5, 2). Drops (4, -3) and (2, 9).
    """

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Identity()
            self.fc = torch.nn.Linear(2, 2).double()
            self.fc.weight.data = float64([[2.0, -1.0], [1.0, 3.0]])
            self.fc.bias.data = float64([1.0, 0.0])

        def forward(self, x):
            return self.fc(self.layer(x).mean((2, 3)))

    image = float64([[[[1.0, 3.0]], [[6.0, 0.0]]]])
    ours = explain(Net(), image, "ablation-cam", [[0, 1]], "layer")
    assert_same(ours.details["channel_weights"], [[[2.0, -1.5], [2 / 11, 9 / 11]]])
    # class 0: 2 * (1, 3) - 1.5 * (6, 0) = (-7, 6);  class 1: (2 + 54, 6 + 0) / 11
    assert_same(ours.maps, [[[[0.0, 6.0]], [[56 / 11, 6 / 11]]]])
    signed = explain(Net(), image, "ablation-cam:relu=false", 0, "layer").maps
    assert_same(signed, [[[[-7.0, 6.0]]]])


def test_a_negative_score_turns_the_printed_weights_round():
    drops, scores = float64([[[1.0, -2.0]]]), float64([[-4.0]])
    assert_same(ablation_weights(drops, scores, variant="paper"), [[[-0.25, 0.5]]])
    assert_same(ablation_weights(drops, scores), [[[0.25, -0.5]]])
    assert_same(ablation_weights(drops, scores, variant="difference"), drops)
    # a score of zero divides by one
    for variant in VARIANTS:
        assert_same(ablation_weights(drops, 0 * scores, variant=variant), drops)


def test_one_channel_is_missing_at_a_time():
    activations = torch.arange(1.0, 13.0).reshape(1, 3, 2, 2)
    changed = without_channels(activations, slice(1, 3))
    assert changed.shape == (2, 3, 2, 2)
    for row, channel in enumerate((1, 2)):
        assert not changed[row, channel].any()
        rest = [k for k in range(3) if k != channel]
        assert torch.equal(changed[row, rest], activations[0, rest])


def test_memory_grows_with_the_chunk_and_the_answer_does_not(deep_tail_net, images, monkeypatch):
    seen = []
    whole = Probe.tail_logits

    def watched(self, index, activations, **settings):
        seen.append(len(activations))
        return whole(self, index, activations, **settings)

    monkeypatch.setattr(Probe, "tail_logits", watched)
    expected = explain(deep_tail_net, images, "ablation-cam", 1, "stem").maps
    assert seen == [6, 6, 6]
    for chunk in (1, 4, 5):
        seen.clear()
        other = explain(deep_tail_net, images, f"ablation-cam:chunk={chunk}", 1, "stem")
        assert other.method == "ablation-cam"
        assert_same(other.maps, expected)
        assert max(seen) <= chunk
        assert len(seen) == 3 * math.ceil(6 / chunk)
        assert sum(seen) == 18


def test_a_score_function_is_explained_like_the_classes_it_is_made_of(deep_tail_net, images):
    def difference(logits):
        return logits[:, 2] - logits[:, 0]

    ours = explain(deep_tail_net, images, "ablation-cam:variant=difference", difference, "stem")
    both = explain(
        deep_tail_net, images, "ablation-cam:variant=difference", [[2, 0]] * 3, "stem"
    ).details["channel_weights"]
    assert_same(ours.details["channel_weights"][:, 0], both[:, 0] - both[:, 1])
    own = deep_tail_net.trunk(images)[0].detach()
    expected = channel_weights(deep_tail_net.tail, own, 2, variant="difference")
    assert_same(both[0, 0], expected)


def test_a_class_against_another(pooled_net, deep_tail_net, images):
    settings = "ablation-cam:variant=difference"
    for model, layer in ((pooled_net, "features"), (deep_tail_net, "stem")):
        both = explain(model, images, settings, [[2, 0]] * 3, layer).details["channel_weights"]
        ours = explain(model, images, settings, Versus(2, 0), layer).details["channel_weights"]
        assert_same(ours[:, 0], both[:, 0] - both[:, 1])


def test_a_score_function_of_a_pooled_network(pooled_net, images):
    """The closed form is for logits: a function runs the tail."""
    ours = explain(pooled_net, images, "ablation-cam", lambda y: y.softmax(1)[:, 1], "features")
    assert ours.details["rule"] == "tail"
    own = pooled_net.trunk(images)[0].detach()
    score = pooled_net.tail(own[None]).softmax(1)[0, 1]
    for k in range(6):
        changed = own.clone()
        changed[k] = 0
        drop = score - pooled_net.tail(changed[None]).softmax(1)[0, 1]
        assert_same(ours.details["channel_weights"][0, 0, k], drop / score)
