"""Other libraries as witnesses of the methods around the activations and the tail."""

import contextlib
import io
import warnings
from functools import partial

import numpy as np
import pytest
import torch
import torchvision

from nets import seeded, woken
from regionwise import explain
from replicas.common import array
from samples import assert_same
from tails import DisguisedHead, HiddenLayer, Vgg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pytorch_grad_cam as pgc
    from captum.attr import DeepLift, LayerDeepLift
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    from pytorch_grad_cam.utils.svd_on_activations import get_2d_projection

TARGETS = [3, 7]


@pytest.fixture(scope="module")
def resnet():
    return woken(torchvision.models.resnet18(weights=None, num_classes=10), seed=5, size=64)


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(7)
    return torch.randn(2, 3, 64, 48, generator=generator, dtype=torch.float64)


def peers_map(cls, model, batch, layer, *, targets=TARGETS):
    """The peer's map before its resizing, and the activations it saw."""
    module = model.get_submodule(layer)
    wanted = [ClassifierOutputTarget(c) for c in targets]
    quiet = contextlib.redirect_stderr(io.StringIO())
    with quiet, cls(model=model, target_layers=[module]) as peer:
        peer(batch, wanted)
        evidence = peer.activations_and_grads
        gradients = evidence.gradients[0].numpy() if evidence.gradients else None
        activations = evidence.activations[0].numpy()
        image = peer.get_cam_image(batch, module, wanted, activations, gradients, False)
        model.zero_grad()
    return image, activations


def relative(a, b):
    return abs(array(a) - array(b)).max() / abs(array(b)).max()


@pytest.mark.parametrize("layer", ["layer3", "layer4"])
def test_hires_cam(resnet, batch, layer):
    theirs, _ = peers_map(pgc.HiResCAM, resnet, batch, layer)
    assert theirs.min() < 0 < theirs.max()
    signed = explain(resnet, batch, "hires-cam:relu=false", TARGETS, layer).maps[:, 0]
    assert relative(signed, theirs) < 1e-12
    rectified = explain(resnet, batch, "hires-cam", TARGETS, layer).maps[:, 0]
    assert relative(rectified, np.maximum(theirs, 0)) < 1e-12


@pytest.mark.parametrize("layer", ["layer3", "layer4"])
def test_eigen_cam_centred_up_to_the_peers_sign(resnet, batch, layer):
    theirs, activations = peers_map(pgc.EigenCAM, resnet, batch, layer)
    ours = array(explain(resnet, batch, "eigen-cam:variant=centred", TARGETS, layer).maps[:, 0])
    paper = array(explain(resnet, batch, "eigen-cam", TARGETS, layer).maps[:, 0])
    for n in range(2):
        sign = np.sign((ours[n] * theirs[n]).sum())
        assert relative(ours[n] * sign, theirs[n]) < 1e-5  # theirs ends in float32
        assert relative(paper[n], ours[n]) > 0.1
        assert (ours[n] * activations[n].mean(0)).sum() > 0


def test_the_peers_eigen_cam_turns_round_by_chance():
    """What its users complain of: the sign is LAPACK's, and what follows rectifies the map."""
    generator = torch.Generator().manual_seed(0)
    activations = torch.rand(12, 6, 4, 4, generator=generator, dtype=torch.float64)
    theirs = get_2d_projection(array(activations))
    signs = {
        np.sign((m * a.mean(0)).sum()) for m, a in zip(theirs, array(activations), strict=True)
    }
    assert signs == {-1.0, 1.0}


def test_ablation_cam_on_a_rectified_layer(resnet, batch):
    """Where the layer's minimum is 0, theirs ablates with 0 as the paper does."""
    theirs, activations = peers_map(pgc.AblationCAM, resnet, batch, "layer1")
    assert activations.min() == 0
    ours = explain(resnet, batch, "ablation-cam:variant=paper", TARGETS, "layer1")
    assert ours.details["rule"] == "tail"
    assert relative(ours.maps[:, 0], np.maximum(theirs, 0)) < 1e-3  # its scores are float32


def test_ablation_cam_on_a_signed_layer_is_another_thing(batch):
    """There theirs sets a channel to min - 1e7 instead of 0."""
    model = seeded(DisguisedHead, 4)
    images = batch[:, :, :16, :12].contiguous()
    theirs, activations = peers_map(pgc.AblationCAM, model, images, "layer", targets=[1, 2])
    assert activations.min() < 0
    ours = array(
        explain(model, images, "ablation-cam:relu=false,variant=paper", [1, 2], "layer").maps[:, 0]
    )
    for n in range(2):
        assert np.corrcoef(ours[n].flat, theirs[n].flat)[0, 1] < 0.9


def captums(model, activations, target):
    """DeepLIFT of the tail alone, a network of modules, against zeros."""
    peer = DeepLift(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peer.attribute(activations.clone().requires_grad_(), target=target).detach()


class HiddenModules(torch.nn.Module):
    """HiddenLayer's tail as a network of modules, each used once: what captum needs."""

    def __init__(self, net, f):
        super().__init__()
        self.steps = torch.nn.Sequential(
            f(), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), net.first, f(), net.second
        )

    def forward(self, x):
        return self.steps(x)


@pytest.mark.parametrize("kind", [torch.nn.ReLU, torch.nn.Tanh, torch.nn.GELU, torch.nn.Sigmoid])
def test_lift_cam_of_a_hidden_layer(images, kind):
    model = seeded(partial(HiddenLayer, kind()), 4)
    activations = model.trunk(images).detach()
    for target in (0, 2):
        ours = explain(model, images, "lift-cam", target, "layer")
        assert ours.details["rule"] == (("rescale",),) * 3
        theirs = captums(HiddenModules(model, kind).double(), activations, target)
        expected = theirs.sum((2, 3))
        if kind is torch.nn.GELU:  # captum has no rule for it and takes the gradient
            assert relative(ours.details["channel_weights"][:, 0], expected) > 1e-3
        else:
            assert_same(ours.details["channel_weights"][:, 0], expected)


def test_lift_cam_of_a_vgg(images):
    """Convolution, ReLU, max pooling (not overlapping: captum loses what overlaps), linear."""
    model = seeded(Vgg, 9)
    model.behind[3] = torch.nn.MaxPool2d((2, 3))
    model.behind[5] = seeded(partial(torch.nn.Linear, 12, 8), 2)
    for module in model.behind:
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False
    activations = model.trunk(images).detach()
    for target in range(4):
        ours = explain(model, images, "lift-cam", target, "layer")
        assert ours.details["rule"] == (("rescale",),) * 3
        theirs = captums(model.behind, activations, target).sum((2, 3))
        assert_same(ours.details["channel_weights"][:, 0], theirs)


def test_lift_cam_at_a_layer(images):
    """The whole network by captum's own layer attribution."""
    model = seeded(partial(HiddenLayer, torch.nn.ReLU()), 4)
    whole = torch.nn.Sequential(model.layer, HiddenModules(model, torch.nn.ReLU).double())
    peer = LayerDeepLift(whole, whole[0])
    base = torch.zeros_like(images)
    model.layer.bias.data.zero_()  # so that its reference, the layer of a zero image, is zero
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peer.attribute(images, base, target=1).detach().sum((2, 3))
    ours = explain(model, images, "lift-cam", 1, "layer").details["channel_weights"][:, 0]
    assert_same(ours, theirs)
