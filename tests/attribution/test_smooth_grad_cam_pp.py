"""Smooth Grad-CAM++ and its two ports."""

import warnings

import pytest
import torch

from regionwise import explain
from regionwise.attribution.grad_cam_pp import grad_cam_pp_map
from regionwise.attribution.noise import noisy_copies, ranges
from regionwise.attribution.smooth_grad_cam_pp import SmoothGradCAMpp, smooth_grad_cam_pp_map
from regionwise.errors import SettingError
from replicas.common import array
from replicas.smooth_grad_cam_pp import VARIANTS, smooth_grad_cam_pp_of, smooth_map
from samples import SHAPES, assert_same, chosen, evidence, float64

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torchcam.methods import SmoothGradCAMpp as Peer

TARGETS = chosen([0, 3], [2, 2], [1, 0])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica(shape, signed, variant):
    activations, first = evidence(shape, signed=signed)
    copies = torch.stack([first, *(evidence(shape, signed=True, seed=s)[1] for s in (1, 2))])
    first, second, third = ((copies**p).mean(0) for p in (1, 2, 3))
    ours = smooth_grad_cam_pp_map(activations, first, second, third, variant=variant)
    for n in range(shape[0]):
        for t in range(shape[1]):
            parts = (array(d[n, t]) for d in (first, second, third))
            assert_same(ours[n, t], smooth_map(array(activations[n]), *parts, variant))


def test_by_hand():
    activations = float64([[[[1.0, 2.0]]]])
    first, second, third = (float64([[[[[a, b]]]]]) for a, b in ((2, -1), (6, 1), (4, 5)))
    # S = 3; alpha = 6 / (12 + 12) at the first cell; w = 2 * 1/4
    ours = smooth_grad_cam_pp_map(activations, first, second, third)
    assert_same(ours, [[[[0.5, 1.0]]]], tolerance=1e-15)
    # numerator D1: w = 2 * 2/24
    ours = smooth_grad_cam_pp_map(activations, first, second, third, variant="first-order")
    assert_same(ours, [[[[1 / 6, 1 / 3]]]], tolerance=1e-15)
    # sum of A D3 = 4 + 10: w = 2 * 6/26
    ours = smooth_grad_cam_pp_map(activations, first, second, third, variant="torch-cam")
    assert_same(ours, [[[[6 / 13, 12 / 13]]]], tolerance=1e-15)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_one_copy_without_noise_is_grad_cam_pp(shape):
    activations, g = evidence(shape, signed=False)
    ours = smooth_grad_cam_pp_map(activations, g, g.square(), g**3)
    assert_same(ours, grad_cam_pp_map(activations, g))


def sigma_of(variant, images):
    spread = ranges(images)
    return {"yiskw713": 0.15 / spread, "torch-cam": 0.3 * torch.ones_like(spread)}.get(
        variant, 0.15 * spread
    )


@pytest.mark.parametrize("variant", [*VARIANTS, "yiskw713"])
@pytest.mark.parametrize(("net", "layer"), [("pooled_net", "features"), ("deep_tail_net", "stem")])
def test_on_networks(net, layer, variant, images, request):
    model = request.getfixturevalue(net)
    method = f"smooth-grad-cam++:samples=3,seed=2,variant={variant}"
    ours = explain(model, images, method, targets=TARGETS, layer=layer)
    copies = list(noisy_copies(images, sigma_of(variant, images), samples=3, seed=2))
    expected = smooth_grad_cam_pp_of(model.trunk, model.tail, images, copies, TARGETS, variant)
    assert expected.max() > 0
    assert_same(ours.maps, expected)


class Recorded:
    """Stands in for the peer's noise."""

    def __init__(self, noise):
        self.noise = iter(noise)

    def sample(self, _):
        return next(self.noise)


def test_torch_cam_agrees(pooled_net, images):
    with torch.no_grad():
        pooled_net.fc.weight.mul_(1000)  # so that its epsilon of 1e-8 does not matter
    sigma = sigma_of("torch-cam", images)
    copies = noisy_copies(images, sigma, samples=4, seed=0)
    with Peer(pooled_net, "features.0") as peer:
        peer._distrib = Recorded([copy - images for copy in copies])
        theirs = peer([1, 2, 0], pooled_net(images), normalized=False)[0].detach()
    pooled_net.zero_grad()
    ours = explain(
        pooled_net, images, "smooth-grad-cam++:variant=torch-cam", [1, 2, 0], "features.0"
    ).maps[:, 0]
    assert float(theirs.max()) > 0
    assert_same(ours / ours.max(), theirs / theirs.max(), tolerance=1e-7)


def test_a_constant_image_divides_by_nothing(pooled_net):
    flat = torch.full((1, 3, 16, 12), 0.3, dtype=torch.float64)
    for variant in (*VARIANTS, "yiskw713"):
        ours = explain(pooled_net, flat, f"smooth-grad-cam++:samples=2,variant={variant}", 0)
        assert torch.isfinite(ours.maps).all()


def test_refusals():
    with pytest.raises(SettingError, match="samples"):
        SmoothGradCAMpp(samples=0)
    with pytest.raises(SettingError, match="level"):
        SmoothGradCAMpp(level=-1.0)
