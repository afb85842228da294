"""FD-CAM: groups of channels switched on and off, combined with gradients."""

import math

import pytest
import torch

from nets import seeded
from regionwise import explain
from regionwise.attribution.fd_cam import (
    channel_similarity,
    fd_cam_map,
    fd_cam_weights,
    similar_channels,
    switching_scores,
)
from regionwise.errors import SettingError
from replicas.common import array
from replicas.fd_cam import cosine, fd_cam_of, groups, weights_from
from samples import assert_same, chosen, evidence, float64
from tails import DisguisedHead, Normed, Vgg

TARGETS = chosen([0, 3], [2, 2], [1, 0])


@pytest.mark.parametrize("theta", [0.3, 0.5, 0.95])
@pytest.mark.parametrize("kind", ["pooled", "disguised", "deep", "vgg", "normed"])
def test_on_networks(pooled_net, deep_tail_net, images, kind, theta):
    model, layer = {
        "pooled": (pooled_net, "features"),
        "deep": (deep_tail_net, "stem"),
        "disguised": (seeded(DisguisedHead, 3), "layer"),
        "vgg": (seeded(Vgg, 4), "layer"),
        "normed": (seeded(Normed, 5), "layer"),
    }[kind]
    ours = explain(model, images, f"fd-cam:theta={theta}", TARGETS, layer)
    assert ours.details["rule"] == ("closed form" if kind == "pooled" else "tail")
    expected = fd_cam_of(model.trunk, model.tail, images, TARGETS, theta=theta)
    assert array(expected).max() > 0
    assert_same(ours.maps, expected)


def test_the_default_theta_is_the_demonstrations(deep_tail_net, images):
    ours = explain(deep_tail_net, images, "fd-cam:theta=0.95", 1, "stem")
    assert ours.method == "fd-cam"


@pytest.mark.parametrize("theta", [0.0, 0.4, 0.9, 1.0])
def test_groups(theta):
    activations, _ = evidence((1, 1, 7, 3, 4), signed=True)
    activations[0, 2] = 0
    activations[0, 4] = -activations[0, 1]
    similarity = channel_similarity(activations)
    planes = list(array(activations[0]))
    assert_same(similarity, [[cosine(a, b) for b in planes] for a in planes])
    assert similarity[1, 4] == pytest.approx(-1)
    assert not similarity[2].any()
    assert not similarity[:, 2].any()
    ours = similar_channels(similarity, theta)
    assert ours.tolist() == groups(planes, theta)
    assert not ours[2].any()  # a dead channel is like nothing, itself included
    if theta == 0.9:
        others = [k for k in range(7) if k != 2]
        assert ours[others, others].all()
    if theta == 1:
        assert not ours.any()


def test_by_hand():
    """s = (1, 3, 2) -> minmax (0, 1, 1/2); mean gradients (4, 0, 2) -> (1, 0, 1/2)."""
    scores = switching_scores(
        float64([[[2.0, 4.0, 1.0]]]), float64([[[6.0, 6.0, 4.0]]]), float64([[5.0]])
    )
    assert_same(scores, [[[1.0, 3.0, 2.0]]])
    gradients = float64([[[[[6.0, 2.0]], [[1.0, -1.0]], [[0.0, 4.0]]]]])
    ours = fd_cam_weights(scores, gradients)
    last = math.exp(0.5) * 0.5 - 0.5
    assert_same(ours, [[[0.5, -0.5, last]]])
    activations = float64([[[[2.0, 0.0]], [[0.0, 4.0]], [[0.0, 2.0]]]])
    # 0.5 * 2;  -0.5 * 4 + 0.32 * 2 < 0
    assert_same(fd_cam_map(activations, ours), [[[[1.0, 0.0]]]])
    assert_same(fd_cam_map(activations, ours, relu=False), [[[[1.0, -2 + 2 * last]]]])


def test_weights_replica():
    generator = torch.Generator().manual_seed(3)
    scores = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64)
    gradients = torch.randn(2, 3, 5, 2, 2, generator=generator, dtype=torch.float64)
    ours = fd_cam_weights(scores, gradients)
    for n in range(2):
        for t in range(3):
            means = [float(g.mean()) for g in gradients[n, t]]
            assert_same(ours[n, t], weights_from(scores[n, t].tolist(), means))
    assert ours.min() >= -0.5
    assert ours.max() <= math.e - 0.5


def test_nothing_divides_by_zero():
    constant = torch.ones(1, 1, 3, dtype=torch.float64)
    gradients = torch.zeros(1, 1, 3, 2, 2, dtype=torch.float64)
    assert_same(fd_cam_weights(constant, gradients), constant * -0.5)


def test_the_chunk_need_not_divide_the_channels(deep_tail_net, images):
    expected = explain(deep_tail_net, images, "fd-cam:theta=0.5", 1, "stem")
    for chunk in (1, 4, 128):
        other = explain(deep_tail_net, images, f"fd-cam:theta=0.5,chunk={chunk}", 1, "stem")
        assert other.method == "fd-cam:theta=0.5"
        assert_same(other.maps, expected.maps)


def test_images_and_targets_do_not_disturb_each_other(deep_tail_net, images):
    whole = explain(deep_tail_net, images, "fd-cam:theta=0.4", TARGETS, "stem").maps
    for n in range(3):
        for t in range(2):
            target = [int(TARGETS[n, t])]
            alone = explain(
                deep_tail_net, images[n : n + 1], "fd-cam:theta=0.4", target, "stem"
            ).maps
            assert_same(alone[0, 0], whole[n, t])


@pytest.mark.parametrize("theta", [-0.1, 1.01, float("nan")])
def test_theta_is_a_quantile(deep_tail_net, images, theta):
    with pytest.raises(SettingError, match="between 0 and 1"):
        explain(deep_tail_net, images, f"fd-cam:theta={theta}", 1, "stem")
