"""SS-CAM and IS-CAM."""

import math
import warnings

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.attribution.noise import fingerprint, generator_of, normal, stream
from regionwise.attribution.smooth_score_cam import SSCAM, mean_channel_weights, path_shares
from regionwise.errors import SettingError
from regionwise.evidence.probe import Probe
from replicas.common import array
from replicas.smooth_score_cam import is_cam_of, ss_cam
from samples import assert_same, chosen, float64

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import torchcam.methods as tc

TARGETS = chosen([0, 3], [2, 2], [1, 0])


def mask_noise(image, level, samples, channels, seed=0):
    """The noise of SS-CAM on one image, per channel and sample."""
    size = image.shape[1:]
    return [
        [
            level * array(normal(size, stream(seed, fingerprint(image), i * channels + k)))
            for i in range(samples)
        ]
        for k in range(channels)
    ]


def image_noise(image, level, samples, seed=0):
    source = generator_of(image, seed)
    return [level * array(normal(image.shape, source)) for _ in range(samples)]


@pytest.mark.parametrize("variant", ["activations", "inputs", "torch-cam"])
@pytest.mark.parametrize(("net", "layer"), [("pooled_net", "features"), ("deep_tail_net", "stem")])
def test_ss_cam_on_networks(net, layer, variant, images, request):
    model = request.getfixturevalue(net)
    method = f"ss-cam:samples=3,level=0.8,variant={variant}"
    ours = explain(model, images, method, targets=TARGETS, layer=layer)
    planes = array(model.trunk(images))
    for n, image in enumerate(images):
        if variant == "inputs":
            noise = image_noise(image, 0.8, 3)
        else:
            noise = mask_noise(image, 0.8, 3, planes.shape[1])
        for t, target in enumerate(TARGETS[n]):
            expected = ss_cam(model, image, list(planes[n]), int(target), noise, variant=variant)
            assert expected.max() > 0
            assert_same(ours.maps[n, t], expected)


@pytest.mark.parametrize("variant", ["path", "torch-cam"])
@pytest.mark.parametrize(("net", "layer"), [("pooled_net", "features"), ("deep_tail_net", "stem")])
def test_is_cam_on_networks(net, layer, variant, images, request):
    model = request.getfixturevalue(net)
    method = f"is-cam:steps=4,variant={variant}"
    ours = explain(model, images, method, targets=TARGETS, layer=layer)
    expected = is_cam_of(model, model.trunk, images, TARGETS, 4, variant=variant)
    assert expected.max() > 0
    assert_same(ours.maps, expected)


def test_shares_by_hand():
    assert path_shares(4) == [0.25, 0.5, 0.75, 1.0]
    assert path_shares(4, "torch-cam") == [0.25, 0.75, 1.5, 2.5]


def test_weights_by_hand(pooled_net, images):
    with Probe(pooled_net, images[:1, :, :8, :8], [[0, 1]]) as probe:
        log3 = math.log(3.0)
        masked = float64([[[[0, 2 * log3, 0, 0], [2 * log3, 0, 0, 0]], [[0, 0, 0, 0]] * 2]])
        # mean logits of class 0: 0 and log 3; of class 1: log 3 and 0
        weights = mean_channel_weights(probe, masked)
        assert_same(weights, [[[0.25, 0.75], [0.75, 0.25]]], tolerance=1e-14)


def test_without_noise_ss_cam_is_score_cam_by_logits(pooled_net, images):
    """As is one step of IS-CAM: a channel softmax of logits, masks as Score-CAM's."""
    ss = explain(pooled_net, images, "ss-cam:samples=2,level=0", TARGETS, "features")
    one = explain(pooled_net, images, "is-cam:steps=1", TARGETS, "features")
    paper = explain(pooled_net, images, "score-cam:variant=paper", TARGETS, "features")
    assert_same(ss.maps, paper.maps)
    assert_same(one.maps, paper.maps)


def test_torch_cam_agrees_on_is_cam(pooled_net, images):
    with tc.ISCAM(pooled_net, "features", num_samples=5) as peer:
        theirs = peer([1, 2, 0], pooled_net(images), normalized=False)[0].detach()
    ours = explain(pooled_net, images, "is-cam:steps=5,variant=torch-cam", [1, 2, 0], "features")
    assert_same(ours.maps[:, 0], theirs, tolerance=1e-6)  # its epsilon of 1e-8


def test_torch_cam_agrees_on_ss_cam(pooled_net, images):
    """Given our noise, sample by sample."""
    image = images[1:2]
    noise = mask_noise(image[0], 2.0, 3, 6)
    by_sample = iter(torch.tensor(np.array(noise)).unbind(1))

    class Recorded:
        def sample(self, _):
            return next(by_sample)[None]

    with tc.SSCAM(pooled_net, "features", num_samples=3) as peer:
        peer._distrib = Recorded()
        theirs = peer([2], pooled_net(image), normalized=False)[0].detach()
    ours = explain(pooled_net, image, "ss-cam:samples=3,variant=torch-cam", [2], "features")
    assert_same(ours.maps[:, 0], theirs, tolerance=1e-6)


@pytest.mark.parametrize("method", ["ss-cam:samples=3", "ss-cam:samples=3,variant=inputs"])
def test_noise_depends_on_the_seed_and_the_picture_only(pooled_net, images, method):
    whole = explain(pooled_net, images, method, 1, "features").maps
    alone = explain(pooled_net, images[2:], method, 1, "features").maps
    assert_same(alone, whole[2:])
    for chunk in (1, 5):
        assert_same(
            explain(pooled_net, images, f"{method},chunk={chunk}", 1, "features").maps, whole
        )
    other = explain(pooled_net, images, f"{method},seed=1", 1, "features").maps
    assert not torch.allclose(other, whole, rtol=1e-8)


def test_a_score_function_is_averaged_like_a_logit(pooled_net, images):
    def second(logits):
        return logits[:, 1]

    for method in ("ss-cam:samples=2", "is-cam:steps=2"):
        by_function = explain(pooled_net, images, method, second, "features")
        by_class = explain(pooled_net, images, method, 1, "features")
        assert_same(by_function.maps, by_class.maps)


def test_refusals():
    with pytest.raises(SettingError, match="level"):
        SSCAM(level=-0.5)
    with pytest.raises(SettingError, match="samples"):
        SSCAM(samples=0)
