"""LIFT-CAM: contributions that add up."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from nets import seeded
from regionwise import Versus, explain, explain_all
from regionwise.attribution.lift_cam import lift_cam_map, lift_weights
from regionwise.errors import LayerError
from regionwise.evidence.contributions import completeness_gap
from regionwise.evidence.rescale import Rescale
from replicas.common import array
from replicas.lift_cam import hidden_alphas, lift_cam, path_alphas, pooled_alphas
from samples import assert_same, chosen, evidence, float64
from tails import DisguisedHead, Gated, HiddenLayer, Normed, Vgg

TARGETS = chosen([0, 3], [2, 2], [1, 0])


def weights(model, images, targets=TARGETS, layer="layer", settings=""):
    return explain(model, images, "lift-cam" + settings, targets, layer).details["channel_weights"]


def explained(model, images, targets=TARGETS):
    """y(A) - y(0)."""
    activations = model.trunk(images).detach()
    with torch.no_grad():
        change = model.tail(activations.clone()) - model.tail(torch.zeros_like(activations))
    return change.gather(1, targets)


def test_by_hand():
    """One channel, A = (3, -1): y = ReLU(mean A - 1/2) * 2, so y(A) = 1, y(0) = 0.

    Hidden unit: from -1/2 to 1/2, output from 0 to 1/2: multiplier (1/2) / 1 = 1/2. The cells
    contribute 2 * 1/2 * 1/2 * A = (3/2, -1/2), together 1. The gradient would give (3, -1).
    """

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Identity()
            self.scale = nn.Parameter(float64([2.0, 1.0]))

        def forward(self, x):
            return F.relu(self.layer(x).mean((1, 2, 3)) - 0.5)[:, None] * self.scale

    ours = explain(Net(), float64([[[[3.0, -1.0]]]]), "lift-cam", [[0, 1]], "layer")
    assert_same(ours.details["channel_weights"], [[[1.0], [0.5]]])
    assert_same(ours.maps, [[[[3.0, 0.0]], [[1.5, 0.0]]]])
    assert ours.details["rule"] == (("rescale", "rescale"),)


def test_the_formulas_by_hand():
    contributions = float64([[[[[1.0, 2.0]], [[-1.0, -3.0]]]]])
    assert_same(lift_weights(contributions), [[[3.0, -4.0]]])
    activations, _ = evidence((1, 1, 2, 3, 3), signed=True)
    expected = lift_cam(array(activations[0]), [3.0, -4.0])
    signed = lift_cam_map(activations, float64([[[3.0, -4.0]]]), relu=False)
    assert signed.min() < 0
    assert_same(lift_cam_map(activations, float64([[[3.0, -4.0]]]))[0, 0], expected)
    assert_same(signed, 3 * activations[:, :1] - 4 * activations[:, 1:])


def test_behind_pooling_it_is_exact(pooled_net, images):
    ours = explain(pooled_net, images, "lift-cam", TARGETS, "features")
    assert ours.details["rule"] == (("closed form",) * 2,) * 3
    assert ours.details["gap"].max() < 1e-14
    planes = array(pooled_net.trunk(images))
    for n in range(3):
        for t in range(2):
            row = array(pooled_net.fc.weight)[TARGETS[n, t]]
            alphas = pooled_alphas(planes[n], row)
            assert_same(ours.details["channel_weights"][n, t], alphas)
            assert_same(ours.maps[n, t], lift_cam(planes[n], alphas))


def test_the_rescale_rule_finds_the_closed_form(images):
    model = seeded(DisguisedHead, 3)
    ours = explain(model, images, "lift-cam", TARGETS, "layer")
    assert ours.details["rule"] == (("rescale",) * 2,) * 3
    planes = array(model.trunk(images))
    for n in range(3):
        for t in range(2):
            column = array(model.head.matrix)[:, TARGETS[n, t]]
            assert_same(ours.details["channel_weights"][n, t], pooled_alphas(planes[n], column))


@pytest.mark.parametrize("function", ["relu", "tanh"])
def test_the_rescale_rule_unit_by_unit(images, function):
    model = seeded(partial(HiddenLayer, getattr(torch, function)), 4)
    ours = explain(model, images, "lift-cam", TARGETS, "layer")
    assert ours.details["rule"] == (("rescale",) * 2,) * 3
    planes = array(model.trunk(images))
    first, bias = array(model.first.weight).tolist(), array(model.first.bias).tolist()
    for n in range(3):
        for t in range(2):
            second = array(model.second.weight)[TARGETS[n, t]].tolist()
            alphas = hidden_alphas(list(planes[n]), first, bias, second, function)
            assert_same(ours.details["channel_weights"][n, t], alphas)
            assert_same(ours.maps[n, t], lift_cam(planes[n], alphas))


@pytest.mark.parametrize("factory", [DisguisedHead, HiddenLayer, Vgg, Normed, Gated])
def test_completeness(images, factory):
    model = seeded(factory, 7)
    ours = explain(model, images, "lift-cam", TARGETS, "layer")
    change = explained(model, images)
    assert change.abs().min() > 1e-3
    total = ours.details["channel_weights"].sum(2)
    if ours.details["rule"][0][0] == "rescale":
        assert_same(total, change)
    else:
        assert_same(total, change, tolerance=2e-4)
    assert ours.details["gap"].max() < 1e-4


def test_completeness_of_a_skip_an_in_place_relu_and_a_square(deep_tail_net, images):
    ours = explain(deep_tail_net, images, "lift-cam", TARGETS, "stem")
    assert ours.details["rule"] == (("rescale",) * 2,) * 3
    change = explained(deep_tail_net, images)
    assert_same(ours.details["channel_weights"].sum(2), change)


@pytest.mark.parametrize("factory", [Normed, Gated])
def test_where_there_is_no_rule_a_path_is_integrated(images, factory):
    model = seeded(factory, 8)
    ours = explain(model, images, "lift-cam", TARGETS, "layer")
    assert ours.details["rule"] == (("path integral",) * 2,) * 3
    more = explain(model, images, "lift-cam:steps=256,chunk=100", TARGETS, "layer")
    assert more.method == "lift-cam:steps=256"
    assert more.details["gap"].max() < 1e-8
    assert_same(ours.details["channel_weights"], more.details["channel_weights"], tolerance=2e-4)
    if factory is Gated:
        own = model.trunk(images)[1].detach()
        expected = path_alphas(model.tail, own, 2)
        assert_same(more.details["channel_weights"][1, 0], expected, tolerance=1e-6)


def test_a_smooth_tail_by_path_is_the_replicas(images):
    """The rule is what decides, not the network: on a linear tail both give the same."""
    model = seeded(DisguisedHead, 3)
    own = model.trunk(images)[0].detach()
    assert_same(weights(model, images)[0, 1], path_alphas(model.tail, own, 3, steps=10))


def test_few_steps_leave_a_gap_that_is_told(images):
    model = seeded(Normed, 8)
    ours = explain(model, images, "lift-cam:steps=3", TARGETS, "layer")
    gap = completeness_gap(ours.details["channel_weights"], explained(model, images))
    assert_same(ours.details["gap"], gap, tolerance=1e-9)
    assert gap.max() > 1e-3


def test_lift_is_ablation_times_the_score_where_the_tail_is_linear(pooled_net, images):
    """By the head's weights, and by the tail: two passes of different kinds."""
    for model, layer in ((pooled_net, "features"), (seeded(DisguisedHead, 3), "layer")):
        names = ["lift-cam", "ablation-cam:variant=paper"]
        found = explain_all(model, images, names, TARGETS, layer)
        lift, ablation = (a.details["channel_weights"] for a in found.values())
        assert lift.abs().max() > 0.1
        assert_same(lift, ablation * found["lift-cam"].scores[:, :, None])


def test_lift_is_not_ablation_elsewhere(deep_tail_net, images):
    found = explain_all(
        deep_tail_net, images, ["lift-cam", "ablation-cam:variant=difference"], TARGETS, "stem"
    )
    lift, drop = (a.details["channel_weights"] for a in found.values())
    assert (lift - drop).abs().max() > 0.05 * lift.abs().max()


def test_lift_is_not_cam(pooled_net, images):
    found = explain_all(pooled_net, images, ["lift-cam", "grad-cam"], TARGETS, "features")
    lift, cam = (a.saliency((8, 8)) for a in found.values())
    assert (lift - cam).abs().amax() > 0.05


def test_every_target_has_its_own_rule_and_targets_leave_each_other_alone(images):
    model = seeded(Normed, 8)
    both = weights(model, images)
    for t in range(2):
        assert_same(weights(model, images, TARGETS[:, t])[:, 0], both[:, t])
    for n in range(3):
        alone = weights(model, images[n : n + 1], TARGETS[n : n + 1])
        assert_same(alone[0], both[n])


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_the_chunk_changes_nothing(images, chunk):
    model = seeded(Gated, 8)
    assert_same(weights(model, images, settings=f":chunk={chunk}"), weights(model, images))


def test_a_score_function(deep_tail_net, images):
    def difference(logits):
        assert len(logits) == 3
        return logits[:, 2] - logits[:, 0]

    ours = weights(deep_tail_net, images, difference, "stem")
    both = weights(deep_tail_net, images, [[2, 0]] * 3, "stem")
    assert_same(ours[:, 0], both[:, 0] - both[:, 1])


def test_a_class_against_another_is_the_difference_of_their_contributions(pooled_net, images):
    for model, layer in ((pooled_net, "features"), (seeded(HiddenLayer, 3), "layer")):
        both = weights(model, images, [[2, 0]] * 3, layer)
        ours = weights(model, images, Versus(2, 0), layer)
        assert_same(ours[:, 0], both[:, 0] - both[:, 1])


def test_a_score_function_of_a_pooled_network(pooled_net, images):
    ours = explain(pooled_net, images, "lift-cam", lambda y: y.softmax(1)[:, 1], "features")
    assert ours.details["rule"] == (("path integral",),) * 3
    with torch.no_grad():
        change = ours.scores[:, 0] - pooled_net.fc.bias.softmax(0)[1]
    assert_same(ours.details["channel_weights"].sum((1, 2)), change, tolerance=1e-5)


def test_a_layer_off_the_way_is_refused(images):
    class Off(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 4, 3)
            self.fc = nn.Linear(3, 4)

        def forward(self, x):
            self.layer(x)
            return self.fc(x.mean((2, 3)))

    with pytest.raises(LayerError, match="does not depend"):
        explain(seeded(Off, 1), images, "lift-cam", 0, "layer")


FUNCTIONS = {
    "relu": F.relu,
    "relu in place": lambda x: F.relu(x * 1, inplace=True),
    "relu_": lambda x: (x * 1).relu_(),
    "positional": lambda x: F.relu(x * 1, True),
    "relu6": F.relu6,
    "gelu": partial(F.gelu, approximate="tanh"),
    "silu in place": lambda x: F.silu(x * 1, inplace=True),
    "hardswish": F.hardswish,
    "leaky": partial(F.leaky_relu, negative_slope=0.3),
    "softplus": F.softplus,
    "sigmoid": torch.Tensor.sigmoid,
    "clamp": lambda x: x.clamp(min=-0.3, max=0.4),
    "square": torch.square,
    "prelu": lambda x: F.prelu(x, torch.tensor([0.2], dtype=x.dtype)),
    "max": lambda x: F.max_pool2d(x, 3, 2, padding=1),
    "max module": nn.MaxPool2d(2, 1),
    "adaptive max": lambda x: F.adaptive_max_pool2d(x, (2, 1)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_rescaled_function_keeps_its_values_and_explains_its_change(name):
    function = FUNCTIONS[name]
    generator = torch.Generator().manual_seed(5)
    pair = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    pair[0, 0, 0, :2] = pair[1, 0, 0, :2]  # some do not change
    leaf = pair.clone().requires_grad_()
    with Rescale():
        values = function(leaf)
    assert_same(values, function(pair), tolerance=1e-15)
    (slope,) = torch.autograd.grad(values[0].sum(), leaf)
    assert not slope[1].any()
    explained_by_cells = (slope[0] * (pair[0] - pair[1])).sum()
    assert_same(explained_by_cells, (values[0] - values[1]).sum())
    plain = pair.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(function(plain)[0].sum(), plain)
    assert not torch.allclose(slope, gradient)
    if "max" not in name:
        assert_same(slope[0, 0, 0, :2], gradient[0, 0, 0, :2])


@pytest.mark.parametrize(
    "relu",
    [lambda x: F.relu(x, inplace=True), lambda x: F.relu(x, True), torch.relu_, torch.Tensor.relu_],
    ids=["named", "positional", "relu_", "method"],
)
def test_in_place_means_that_everyone_sees_it(relu):
    pair = torch.tensor([[-1.0, 2.0], [1.0, -3.0]], requires_grad=True)
    with Rescale():
        source = pair * 1
        relu(source)
    assert source.tolist() == [[0.0, 2.0], [1.0, 0.0]]
    (slope,) = torch.autograd.grad(source[0].sum(), pair)
    # from 1 to 0 over two, from 0 to 2 over five
    assert_same(slope, [[0.5, 0.4], [0, 0]], tolerance=1e-6)
