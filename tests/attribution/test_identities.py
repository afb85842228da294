"""What must hold between methods on networks that end in pooling and one linear layer.

There g_k(i, j) = W_ck / Z at every cell, so Grad-CAM = XGrad-CAM = CAM without bias / Z before the
ReLU, and Layer-CAM is the authors' Grad-CAM++ / Z.
"""

import pytest
import torch

from regionwise import explain, explain_all
from regionwise.attribution.grad_cam import grad_cam_map
from regionwise.attribution.grad_cam_pp import grad_cam_pp_map
from regionwise.attribution.layer_cam import layer_cam_map
from regionwise.attribution.xgrad_cam import xgrad_cam_map
from samples import assert_same, chosen, evidence

TARGETS = chosen([0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 2, 2])


@pytest.fixture
def maps(pooled_net, images):
    names = ["cam", "grad-cam:relu=false", "xgrad-cam:relu=false", "layer-cam"]
    names += ["grad-cam++:variant=official", "grad-cam", "xgrad-cam"]
    found = explain_all(pooled_net, images, names, targets=TARGETS, layer="features")
    return {name: found[name].maps for name in names}


CELLS = 4 * 3


def test_grad_cam_is_cam_without_bias(maps):
    assert maps["cam"].abs().max() > 0.1
    assert_same(maps["grad-cam:relu=false"] * CELLS, maps["cam"])
    assert_same(maps["grad-cam"] * CELLS, maps["cam"].clamp(min=0))


def test_xgrad_cam_is_grad_cam(maps):
    assert_same(maps["xgrad-cam:relu=false"], maps["grad-cam:relu=false"])
    assert_same(maps["xgrad-cam"], maps["grad-cam"])


def test_layer_cam_is_the_authors_grad_cam_pp(maps):
    """The authors' alphas sum to one, so w_k = ReLU(W_ck) / Z."""
    assert maps["layer-cam"].abs().max() > 0.01
    assert_same(maps["grad-cam++:variant=official"], maps["layer-cam"])


def test_the_papers_grad_cam_pp_weighs_channels_differently(pooled_net, images):
    paper = explain(pooled_net, images, "grad-cam++", targets=TARGETS, layer="features").maps
    official = explain(
        pooled_net, images, "grad-cam++:variant=official", targets=TARGETS, layer="features"
    ).maps
    both = torch.stack([paper.flatten(), official.flatten()])
    assert torch.corrcoef(both)[0, 1] < 0.999


def test_away_from_pooling_they_are_different_methods(deep_tail_net, images):
    names = ["grad-cam:relu=false", "xgrad-cam:relu=false", "layer-cam"]
    names += ["grad-cam++:variant=official"]
    found = explain_all(deep_tail_net, images, names, targets=1, layer="stem")
    flat = torch.stack([found[name].saliency((16, 12)).flatten() for name in names])
    correlation = torch.corrcoef(flat)
    assert (correlation - torch.eye(4, dtype=flat.dtype)).max() < 0.999


@pytest.mark.parametrize(
    ("name", "degree"),
    [("grad-cam", 1), ("xgrad-cam", 1), ("layer-cam", 1), ("torch-cam", 3), ("official", 1)],
)
def test_scaling_the_gradients_scales_the_map(name, degree):
    activations, gradients = evidence((2, 2, 3, 3, 2), signed=False)
    formula = {
        "grad-cam": grad_cam_map,
        "xgrad-cam": xgrad_cam_map,
        "layer-cam": layer_cam_map,
        "torch-cam": lambda a, g: grad_cam_pp_map(a, g, variant="torch-cam"),
        # only where S_k g is large beside 2 or everything is small: shown for small gradients
        "official": lambda a, g: grad_cam_pp_map(a, g * 1e-9, variant="official") * 1e9,
    }[name]
    tolerance = 1e-6 if name == "official" else 1e-12
    assert_same(
        formula(activations, 2 * gradients),
        2**degree * formula(activations, gradients),
        tolerance=tolerance,
    )


METHODS = [
    "cam",
    "grad-cam",
    "grad-cam++",
    "grad-cam++:variant=official",
    "xgrad-cam",
    "layer-cam",
    "score-cam",
    "score-cam:variant=paper",
    "score-cam++",
    "gradient",
]


@pytest.mark.parametrize("method", METHODS)
def test_the_two_most_likely_classes_get_different_maps(pooled_net, images, method):
    """Catches a target that is ignored: the mIoU of 100.0 of a published table."""
    ours = explain(pooled_net, images, method, targets="top-2", layer="features")
    first, second = ours.saliency((16, 12)).unbind(1)
    assert first.any()
    assert second.any()
    for image in range(3):
        assert (first[image] - second[image]).abs().max() > 1e-3


@pytest.mark.parametrize("method", METHODS)
def test_a_target_is_one_class_wherever_it_stands(pooled_net, images, method):
    """Column t explains target t: asking [a, b] and [b, a] swaps the maps and nothing else."""
    forth = explain(pooled_net, images, method, targets=chosen([0, 3], [2, 1], [1, 3]))
    back = explain(pooled_net, images, method, targets=chosen([3, 0], [1, 2], [3, 1]))
    assert_same(forth.maps, back.maps.flip(1), tolerance=1e-12)
    assert_same(forth.scores, back.scores.flip(1), tolerance=1e-12)
    alone = explain(pooled_net, images, method, targets=[0, 2, 1])
    assert_same(forth.maps[:, :1], alone.maps, tolerance=1e-12)
