"""Other libraries as witnesses, on a torchvision ResNet-18 with random weights.

Where a peer follows the definition, the numbers agree. Where it does not, a test shows the
difference and that the variant we name after it reproduces it. Everything is compared at the
layer's resolution, before anybody's upsampling.
"""

import contextlib
import io
import warnings

import numpy as np
import pytest
import torch
import torchvision

from nets import woken
from regionwise import explain
from replicas.common import array

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import pytorch_grad_cam as pgc
    import torchcam.methods as tc
    from captum.attr import LayerGradCam, Saliency
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

TARGETS = [3, 7]


@pytest.fixture(scope="module")
def resnet():
    return woken(torchvision.models.resnet18(weights=None, num_classes=10), seed=5, size=96)


@pytest.fixture(scope="module")
def batch():
    generator = torch.Generator().manual_seed(7)
    return torch.randn(2, 3, 96, 96, generator=generator, dtype=torch.float64)


def ours(model, batch, method, layer):
    return explain(model, batch, method, targets=TARGETS, layer=layer).maps[:, 0]


def pytorch_grad_cam(cls, model, batch, layer):
    """The peer's map before its resizing: weights and sum by its own functions."""
    module = model.get_submodule(layer)
    targets = [ClassifierOutputTarget(c) for c in TARGETS]
    quiet = contextlib.redirect_stderr(io.StringIO())  # its progress bars
    with quiet, cls(model=model, target_layers=[module]) as peer:
        peer(batch, targets)
        evidence = peer.activations_and_grads
        gradients = evidence.gradients[0].numpy() if evidence.gradients else None
        activations = evidence.activations[0].numpy()
        image = peer.get_cam_image(batch, module, targets, activations, gradients, False)
        model.zero_grad()
    return np.maximum(image, 0), activations, gradients


def torch_cam(cls, model, batch, layer, **settings):
    with cls(model, layer, **settings) as peer:
        return peer(TARGETS, model(batch), normalized=False)[0].detach()


def relative(a, b):
    return abs(array(a) - array(b)).max() / abs(array(b)).max()


LAYERS = ["layer3", "layer4"]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("method", "cls", "tolerance"),
    [
        ("grad-cam", pgc.GradCAM, 1e-12),
        ("layer-cam", pgc.LayerCAM, 1e-12),
        ("xgrad-cam", pgc.XGradCAM, 1e-6),  # its epsilon of 1e-7
    ],
)
def test_pytorch_grad_cam_agrees(resnet, batch, layer, method, cls, tolerance):
    theirs, _, _ = pytorch_grad_cam(cls, resnet, batch, layer)
    assert theirs.max() > 0
    assert relative(ours(resnet, batch, method, layer), theirs) < tolerance


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("method", "cls", "tolerance"),
    [
        ("grad-cam", tc.GradCAM, 1e-12),
        ("layer-cam", tc.LayerCAM, 1e-12),
        ("xgrad-cam", tc.XGradCAM, 1e-7),  # its epsilon of 1e-8
    ],
)
def test_torch_cam_agrees(resnet, batch, layer, method, cls, tolerance):
    theirs = torch_cam(cls, resnet, batch, layer)
    assert theirs.max() > 0
    assert relative(ours(resnet, batch, method, layer), theirs) < tolerance


def test_torch_cam_leaves_cam_signed_as_we_do(resnet, batch):
    theirs = torch_cam(tc.CAM, resnet, batch, "layer4", fc_layer="fc")
    assert theirs.min() < 0
    assert relative(ours(resnet, batch, "cam", "layer4"), theirs) < 1e-12


@pytest.mark.parametrize("layer", LAYERS)
def test_captum_agrees_on_grad_cam_and_is_signed_by_default(resnet, batch, layer):
    peer = LayerGradCam(resnet, resnet.get_submodule(layer))
    target = torch.tensor(TARGETS)
    signed = peer.attribute(batch, target=target)[:, 0].detach()
    assert signed.min() < 0
    assert relative(ours(resnet, batch, "grad-cam:relu=false", layer), signed) < 1e-12
    rectified = peer.attribute(batch, target=target, relu_attributions=True)[:, 0].detach()
    assert relative(ours(resnet, batch, "grad-cam", layer), rectified) < 1e-12
    assert relative(rectified, signed) > 0.1


def test_captum_agrees_on_the_input_gradient(resnet, batch):
    theirs = Saliency(resnet).attribute(
        batch.clone().requires_grad_(), target=torch.tensor(TARGETS)
    )
    mine = explain(resnet, batch, "gradient", targets=TARGETS).maps[:, 0]
    assert relative(mine, theirs.amax(1)) < 1e-12
    summed = explain(resnet, batch, "gradient:reduce=sum-abs", targets=TARGETS).maps[:, 0]
    assert relative(summed, theirs.sum(1)) < 1e-12


@pytest.mark.parametrize("layer", LAYERS)
def test_pytorch_grad_cam_adds_an_epsilon_to_grad_cam_pp(resnet, batch, layer):
    """Its 1e-6 beside 2 g^2 changes the map; without it, it is Eq. 19."""
    theirs, activations, g = pytorch_grad_cam(pgc.GradCAMPlusPlus, resnet, batch, layer)
    total = activations.sum((2, 3), keepdims=True)

    def map_with(epsilon):
        alpha = np.where(g != 0, g**2 / (2 * g**2 + total * g**3 + epsilon), 0)
        weights = (np.maximum(g, 0) * alpha).sum((2, 3), keepdims=True)
        return np.maximum((weights * activations).sum(1), 0)

    mine = ours(resnet, batch, "grad-cam++", layer)
    assert relative(map_with(1e-6), theirs) < 1e-12
    assert relative(mine, theirs) > 1e-3
    with np.errstate(invalid="ignore"):
        assert relative(mine, np.nan_to_num(map_with(0.0))) < 1e-10


@pytest.mark.parametrize("layer", LAYERS)
def test_torch_cam_loses_the_denominator_of_grad_cam_pp(resnet, batch, layer):
    theirs = torch_cam(tc.GradCAMpp, resnet, batch, layer)
    assert relative(ours(resnet, batch, "grad-cam++:variant=torch-cam", layer), theirs) < 1e-12
    for variant in ("paper", "official", "local-sum"):
        mine = ours(resnet, batch, f"grad-cam++:variant={variant}", layer)
        assert relative(_scaled(mine), _scaled(theirs)) > 1e-3, variant


def _scaled(maps):
    return maps / maps.amax((1, 2), keepdim=True)


SCORE_LAYER = "layer1"
"""64 channels instead of 512: one eighth of the passes."""


@pytest.fixture(scope="module")
def small_batch(batch):
    return batch[:, :, :48, :40].contiguous()


@pytest.fixture(scope="module")
def score_maps(resnet, small_batch):
    return {
        variant: ours(resnet, small_batch, f"score-cam:variant={variant}", SCORE_LAYER)
        for variant in ("code", "paper", "pytorch-grad-cam", "torch-cam")
    }


def test_score_cam_of_pytorch_grad_cam(resnet, small_batch, score_maps):
    """Logits, softmax over channels, masks with align_corners=True; its scores are float32."""
    theirs, _, _ = pytorch_grad_cam(pgc.ScoreCAM, resnet, small_batch, SCORE_LAYER)
    assert relative(score_maps["pytorch-grad-cam"], theirs) < 1e-5
    for variant in ("code", "paper", "torch-cam"):
        assert relative(score_maps[variant], theirs) > 1e-4, variant


def test_score_cam_of_torch_cam(resnet, small_batch, score_maps):
    """Logit minus the whole image's logit, softmax over channels, min-max before upsampling."""
    theirs = torch_cam(tc.ScoreCAM, resnet, small_batch, SCORE_LAYER)
    assert relative(score_maps["torch-cam"], theirs) < 1e-7
    for variant in ("code", "paper", "pytorch-grad-cam"):
        assert relative(score_maps[variant], theirs) > 1e-4, variant


def test_the_saliency_of_pytorch_grad_cam(resnet, batch):
    """Its cv2 upsampling (float32) between two min-max steps ends where ours ends."""
    with pgc.GradCAM(model=resnet, target_layers=[resnet.layer3]) as peer:
        theirs = peer(batch, [ClassifierOutputTarget(c) for c in TARGETS])
    resnet.zero_grad()
    mine = explain(resnet, batch, "grad-cam", targets=TARGETS, layer="layer3").saliency()[:, 0]
    np.testing.assert_allclose(array(mine), theirs, atol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("peer", ["pytorch-grad-cam", "torch-cam"])
def test_score_cam_of_the_peers_at_the_last_layer(resnet, batch, peer):
    mine = ours(resnet, batch, f"score-cam:variant={peer}", "layer4")
    if peer == "torch-cam":
        theirs = torch_cam(tc.ScoreCAM, resnet, batch, "layer4")
    else:
        theirs, _, _ = pytorch_grad_cam(pgc.ScoreCAM, resnet, batch, "layer4")
    assert relative(mine, theirs) < 1e-5
