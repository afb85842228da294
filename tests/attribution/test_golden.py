"""The authors' code of ScoreCAM++ on random inputs, through the front door."""

from pathlib import Path

import numpy as np
import pytest
import torch

from nets import PooledNet
from regionwise import explain
from replicas.saliency import saliency
from replicas.score_cam import score_cam_of
from replicas.score_cam_pp import score_cam_pp_of
from samples import assert_same

GOLDEN = Path(__file__).parents[1] / "golden" / "score_cam.npz"
ACTIVATIONS = ["tanh", "sig-relu", "mish", "swish"]
KINDS = {
    "score_cam": "score-cam",
    "score_cam_pp_tanh": "score-cam++",
    "score_cam_pp_sig-relu": "score-cam++:activation=sig-relu",
    "score_cam_pp_mish": "score-cam++:activation=mish",
    "score_cam_pp_swish": "score-cam++:activation=swish",
}


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


@pytest.fixture(scope="module")
def network(golden):
    model = PooledNet().double().eval()
    with torch.no_grad():
        for name, module in (
            ("conv1", model.features[0]),
            ("conv2", model.features[2]),
            ("fc", model.fc),
        ):
            module.weight.copy_(golden[f"weights/{name}.weight"])
            module.bias.copy_(golden[f"weights/{name}.bias"])
    return model


def target_of(golden, image, which):
    return int(golden[f"{image}/logits"].argmax()) if which == "top1" else 1


def test_the_network_is_the_authors(golden, network):
    for image in range(3):
        assert_same(network(golden[f"{image}/image"]), golden[f"{image}/logits"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", ["top1", "class1"])
@pytest.mark.parametrize("image", range(3))
def test_maps(golden, network, image, which, kind):
    inputs = golden[f"{image}/image"]
    target = target_of(golden, image, which)
    ours = explain(network, inputs, KINDS[kind], targets=target, layer="features")
    expected = golden[f"{image}/{which}/{kind}"]
    assert_same(ours.saliency((16, 16)), expected, tolerance=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_maps_of_a_batch_with_both_targets(golden, network, kind):
    inputs = torch.cat([golden[f"{image}/image"] for image in range(3)])
    targets = [
        [target_of(golden, image, which) for which in ("top1", "class1")] for image in range(3)
    ]
    ours = explain(network, inputs, KINDS[kind], targets=targets, layer="features").saliency(
        (16, 16)
    )
    for image in range(3):
        for t, which in enumerate(("top1", "class1")):
            expected = golden[f"{image}/{which}/{kind}"][0, 0]
            assert_same(ours[image, t], expected, tolerance=1e-9)


def test_the_replicas_agree_with_the_authors(golden, network):
    """What the other tests lean on is itself held against the published code."""
    for image in range(3):
        inputs = golden[f"{image}/image"]
        for which in ("top1", "class1"):
            targets = [[target_of(golden, image, which)]]
            maps = score_cam_of(network, network.trunk, inputs, targets)
            assert_same(saliency(maps, (16, 16)), golden[f"{image}/{which}/score_cam"])
            for activation in ACTIVATIONS:
                maps = score_cam_pp_of(
                    network, network.trunk, inputs, targets, activation=activation
                )
                expected = golden[f"{image}/{which}/score_cam_pp_{activation}"]
                assert_same(saliency(maps, (16, 16)), expected)


def test_the_kinds_can_be_told_apart(golden):
    """A golden test that any of the five kinds would pass could not fail."""
    maps = [golden[f"0/top1/{kind}"] for kind in KINDS]
    for a, first in enumerate(maps):
        for second in maps[a + 1 :]:
            assert (first - second).abs().max() > 1e-3
