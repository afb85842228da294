"""The tail methods on transformers: tokens with a class token, windows, channels last."""

import pytest
import timm
import torch

from nets import woken
from regionwise import explain_all
from regionwise.evidence.probe import Probe
from samples import assert_same

ABLATION, LIFT = "ablation-cam:relu=false", "lift-cam:relu=false"
# signed: on a layer that is not rectified nothing positive may be left
METHODS = ["hires-cam:relu=false", "eigen-cam", ABLATION, "recipro-cam", LIFT]
METHODS += ["fd-cam:relu=false"]
NETWORKS = {
    "vit": ("vit_tiny_patch16_224", {"img_size": 64, "depth": 3}),
    "swin": (
        "swin_tiny_patch4_window7_224",
        {"img_size": 64, "depths": (1, 1, 1, 2), "embed_dim": 24},
    ),
}


@pytest.fixture(scope="module", params=NETWORKS)
def family(request):
    name, settings = NETWORKS[request.param]
    model = woken(timm.create_model(name, num_classes=6, **settings), seed=4)
    generator = torch.Generator().manual_seed(2)
    return request.param, model, torch.randn(2, 3, 64, 64, generator=generator).double()


@pytest.fixture(scope="module")
def layer(family):
    """Before the last attention, so that there is a tail worth the name."""
    return {"vit": "blocks.2.norm1", "swin": "layers.3.blocks.0"}[family[0]]


@pytest.fixture(scope="module")
def found(family, layer):
    return explain_all(family[1], family[2], METHODS, "top-2", layer)


@pytest.mark.parametrize("method", METHODS)
def test_maps_say_something_about_their_class(found, method):
    maps = found[method].maps
    assert torch.isfinite(maps).all()
    first, second = found[method].saliency().unbind(1)
    for image in range(2):
        assert maps[image].amax() > maps[image].amin()
        difference = (first[image] - second[image]).abs().amax()
        assert difference == 0 if method == "eigen-cam" else difference > 1e-3


def test_only_the_tail_runs(family, layer):
    with Probe(family[1], family[2], layer=layer, needs=frozenset({"tail"})) as probe:
        assert probe.tail.mode == "replay"


def test_lift_cam_says_that_there_is_no_rule_for_attention(found):
    details = found[LIFT].details
    assert details["rule"] == (("path integral",) * 2,) * 2
    assert details["gap"].max() < 1e-3


def run(model, layer, image, change):
    """Logits of the whole network whose layer's output is changed by a plain hook."""
    module = model.get_submodule(layer)
    handle = module.register_forward_hook(lambda _, __, output: change(output.clone()))
    with torch.no_grad():
        logits = model(image)[0]
    handle.remove()
    return logits


@pytest.mark.parametrize("channel", [0, 17])
def test_ablation_is_that_of_the_whole_network(family, layer, found, channel):
    _, model, images = family
    ours = found[ABLATION]

    def without(output):
        # the class token is no cell: it stays
        cells = output[:, 1:] if output.dim() == 3 else output
        cells[..., channel] = 0
        return output

    target = int(ours.targets[0, 0])
    score = run(model, layer, images[:1], lambda output: output)[target]
    drop = score - run(model, layer, images[:1], without)[target]
    assert drop.abs() > 1e-6
    assert_same(ours.details["channel_weights"][0, 0, channel], drop / score)


def test_cells_are_those_of_the_whole_network(family, layer, found):
    _, model, images = family
    ours = found["recipro-cam"]

    def alone(output):
        result = torch.zeros_like(output)
        if output.dim() == 3:
            result[:, [0, 2]] = output[:, [0, 2]]
        else:
            result[:, 0, 1] = output[:, 0, 1]
        return result

    expected = run(model, layer, images[:1], alone).softmax(0)[ours.targets[0]]
    assert_same(ours.maps[0, :, 0, 1], expected)
