"""Input gradients along a path and under noise."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from regionwise import explain
from regionwise.attribution.blur import gaussian_blur
from regionwise.attribution.input_x_gradient import input_x_gradient
from regionwise.attribution.integrated_gradients import (
    IntegratedGradients,
    integrated_gradients,
    path_rule,
)
from regionwise.attribution.noise import fingerprint, noisy_copies, ranges
from regionwise.attribution.smooth_grad import SmoothGrad, VarGrad, mean_and_variance
from regionwise.errors import SettingError
from replicas import noise_gradients as replica
from samples import assert_same, chosen, float64

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import captum.attr as captum

TARGETS = chosen([0, 3], [2, 2], [1, 0])
RULES = ["gauss-legendre", "midpoint", "right"]
STOCHASTIC = ["smooth-grad", "var-grad", "smooth-grad-cam++"]


def copies_of(images, level, samples, seed=0):
    return list(noisy_copies(images, level * ranges(images), samples=samples, seed=seed))


@pytest.mark.parametrize("reduce", ["sum", "sum-abs", "max-abs"])
@pytest.mark.parametrize("net", ["pooled_net", "deep_tail_net"])
def test_input_x_gradient_on_networks(net, reduce, images, request):
    model = request.getfixturevalue(net)
    ours = explain(model, images, f"input-x-gradient:reduce={reduce}", targets=TARGETS)
    assert_same(ours.maps, replica.input_x_gradient(model, images, TARGETS, reduce=reduce))


def test_products_by_hand():
    inputs = float64([[[[1.0, 2.0]], [[-3.0, 0.0]]]])
    slopes = float64([[[[[4.0, 1.0]], [[2.0, 5.0]]]]])
    assert input_x_gradient(inputs, slopes).tolist() == [[[[[4.0, 2.0]], [[-6.0, 0.0]]]]]
    ours = integrated_gradients(inputs, 1.0, slopes)
    assert ours.tolist() == [[[[[0.0, 1.0]], [[-8.0, -5.0]]]]]


@pytest.mark.parametrize("steps", [1, 3, 10])
def test_rules_by_hand(steps):
    """All sum to one; they integrate a^2 as they should: 1/3 exactly, or off by a known term."""
    for rule in RULES:
        points = path_rule(steps, rule)
        assert len(points) == steps
        assert sum(w for _, w in points) == pytest.approx(1, abs=1e-14)
        square = sum(w * a**2 for a, w in points)
        error = {
            "gauss-legendre": 0.0 if steps > 1 else 1 / 4 - 1 / 3,
            "midpoint": -1 / (12 * steps**2),
            "right": 1 / (2 * steps) + 1 / (6 * steps**2),
        }
        assert square == pytest.approx(1 / 3 + error[rule], abs=1e-14)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("baseline", "reduce"), [(0.0, "sum"), (0.4, "max-abs")])
def test_integrated_gradients_on_a_network(deep_tail_net, images, rule, baseline, reduce):
    method = f"integrated-gradients:steps=5,rule={rule},baseline={baseline},reduce={reduce}"
    ours = explain(deep_tail_net, images, method, targets=TARGETS)
    expected = replica.integrated_gradients(
        deep_tail_net, images, TARGETS, path_rule(5, rule), baseline=baseline, reduce=reduce
    )
    assert_same(ours.maps, expected)


def test_integrated_gradients_are_complete(deep_tail_net, images):
    """They add up to y(x) - y(b), and better so with more steps."""
    with torch.no_grad():
        gained = deep_tail_net(images) - deep_tail_net(torch.zeros_like(images))
    gaps = []
    for steps in (5, 50, 500):
        ours = explain(deep_tail_net, images, f"integrated-gradients:steps={steps}", TARGETS)
        gap = ours.maps.sum((2, 3)) - gained.gather(1, TARGETS)
        assert_same(ours.details["completeness_gap"], gap)
        gaps.append(float(gap.abs().max()))
    assert float(gained.abs().min()) > 0.01
    assert gaps[1] < 0.01
    assert gaps[2] < gaps[1] < gaps[0]


def test_a_linear_network_needs_one_step(images):
    class Linear(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1).double()

        def forward(self, x):
            return self.conv(x).mean((2, 3))

    model = Linear().eval()
    one = explain(model, images, "integrated-gradients:steps=1", targets=TARGETS)
    plain = explain(model, images, "input-x-gradient", targets=TARGETS)
    assert_same(one.maps, plain.maps)
    assert_same(one.details["completeness_gap"], np.zeros((3, 2)))


def test_calm_ran_something_else(deep_tail_net, images):
    ours = explain(deep_tail_net, images, "integrated-gradients:variant=calm,steps=6", TARGETS)
    expected = replica.calm_integrated_gradients(deep_tail_net, images, TARGETS, 6)
    assert_same(ours.maps, expected)
    assert ours.maps.min() >= 0


@pytest.mark.parametrize(
    "method",
    ["integrated-gradients", "integrated-gradients:variant=calm", "smooth-grad", "var-grad"],
)
def test_the_blur_comes_last(pooled_net, images, method):
    join = "," if ":" in method else ":"
    few = "steps=3" if "integrated" in method else "samples=3"
    plain = explain(pooled_net, images, f"{method}{join}{few}", targets=TARGETS).maps
    ours = explain(pooled_net, images, f"{method}{join}{few},blur=0.6", targets=TARGETS).maps
    assert_same(ours, gaussian_blur(plain, width=5, sigma=0.6))


def test_captum_agrees(deep_tail_net, images):
    targets = torch.tensor([1, 2, 0])
    leaf = images.clone().requires_grad_()
    theirs = captum.InputXGradient(deep_tail_net).attribute(leaf, target=targets)
    ours = explain(deep_tail_net, images, "input-x-gradient", targets=targets).maps[:, 0]
    assert_same(ours, theirs.sum(1).detach())
    theirs = captum.IntegratedGradients(deep_tail_net).attribute(images, target=targets)
    ours = explain(deep_tail_net, images, "integrated-gradients", targets=targets).maps[:, 0]
    assert_same(ours, theirs.sum(1).detach(), tolerance=1e-7)  # its steps are float32
    for rule, name in (("midpoint", "riemann_middle"), ("right", "riemann_right")):
        peer = captum.IntegratedGradients(deep_tail_net)
        theirs = peer.attribute(images, 0.25, target=targets, n_steps=20, method=name)
        method = f"integrated-gradients:steps=20,rule={rule},baseline=0.25"
        ours = explain(deep_tail_net, images, method, targets=targets).maps[:, 0]
        assert_same(ours, theirs.sum(1).detach(), tolerance=1e-7)


@pytest.mark.parametrize(("variant", "level"), [("paper", 0.15), ("squared", 0.15), ("calm", 0.25)])
def test_smooth_grad_on_a_network(deep_tail_net, images, variant, level):
    ours = explain(deep_tail_net, images, f"smooth-grad:samples=4,variant={variant}", TARGETS)
    copies = copies_of(images, level, 4)
    assert_same(ours.maps, replica.smooth_grad(deep_tail_net, copies, TARGETS, variant))


@pytest.mark.parametrize(("variant", "level"), [("paper", 0.15), ("calm", 0.25)])
def test_var_grad_on_a_network(deep_tail_net, images, variant, level):
    ours = explain(deep_tail_net, images, f"var-grad:samples=4,variant={variant}", TARGETS)
    copies = copies_of(images, level, 4)
    assert_same(ours.maps, replica.var_grad(deep_tail_net, copies, TARGETS, variant))
    assert ours.maps.min() >= 0
    assert ours.maps.max() > 0


def test_without_noise_smooth_grad_is_the_gradient_and_var_grad_is_blank(pooled_net, images):
    plain = explain(pooled_net, images, "gradient", targets=TARGETS).maps
    assert_same(explain(pooled_net, images, "smooth-grad:samples=3,level=0", TARGETS).maps, plain)
    assert_same(explain(pooled_net, images, "var-grad:samples=3,level=0", TARGETS).maps, 0 * plain)


def test_mean_and_variance_by_hand():
    samples = [float64([1.0, 1e8]), float64([2.0, 1e8 + 1]), float64([6.0, 1e8 + 2])]
    mean, variance = mean_and_variance(samples)
    assert_same(mean, [3.0, 1e8 + 1])
    assert_same(variance, [14 / 3, 2 / 3])  # E[s^2] - E[s]^2 would lose the second
    with pytest.raises(ValueError, match="no samples"):
        mean_and_variance([])


def test_the_noise_has_the_size_that_was_asked_for():
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3)).double() * 4 - 1
    assert_same(ranges(image).flatten(), [float(image.max() - image.min())])
    noise = torch.cat([copy - image for copy in copies_of(image, 0.15, 8)])
    sigma = 0.15 * float(image.max() - image.min())
    assert float(noise.std()) == pytest.approx(sigma, rel=0.02)
    assert abs(float(noise.mean())) < 0.02 * sigma
    first, second = noise[0].flatten(), noise[1].flatten()
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.03


def test_every_image_and_every_seed_has_its_own_noise(images):
    noise = copies_of(images, 1.0, 1)[0] - images
    other = copies_of(images, 1.0, 1, seed=1)[0] - images
    scaled = torch.cat([noise, other]) / torch.cat([ranges(images)] * 2)
    related = torch.corrcoef(scaled.flatten(1)) - torch.eye(6)
    assert float(related.abs().max()) < 0.2


def test_more_samples_continue_the_series(images):
    few, many = copies_of(images, 0.1, 2), copies_of(images, 0.1, 5)
    assert all(torch.equal(a, b) for a, b in zip(few, many, strict=False))


@pytest.mark.parametrize("method", STOCHASTIC)
def test_noise_depends_on_the_seed_and_the_picture_only(deep_tail_net, images, method):
    whole = explain(deep_tail_net, images, f"{method}:samples=3", targets=1).maps
    turned = explain(deep_tail_net, images.flip(0), f"{method}:samples=3", targets=1).maps
    assert_same(turned.flip(0), whole)
    alone = explain(deep_tail_net, images[1:2], f"{method}:samples=3", targets=1).maps
    assert_same(alone, whole[1:2])
    other = explain(deep_tail_net, images, f"{method}:samples=3,seed=1", targets=1).maps
    assert not torch.allclose(other, whole)
    assert len({fingerprint(image) for image in images}) == len(images)


def test_refusals():
    for level in (-0.1, float("nan")):
        for recipe in (SmoothGrad, VarGrad):
            with pytest.raises(SettingError, match="level"):
                recipe(level=level)
    with pytest.raises(SettingError, match="samples"):
        SmoothGrad(samples=0)
    with pytest.raises(SettingError, match="samples"):
        VarGrad(samples=1)
    for settings in ({"rule": "right"}, {"reduce": "max-abs"}):
        with pytest.raises(SettingError, match="its own rule"):
            IntegratedGradients(variant="calm", **settings)
