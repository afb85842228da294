"""UnionCAM: its three formulas, its switches, its decision."""

import numpy as np
import pytest
import torch

from regionwise import explain, explain_all
from regionwise.attribution.percentile import percentile
from regionwise.attribution.union_cam import (
    UnionCAM,
    denoised_gradients,
    denoised_map,
    select_map,
    union_map,
)
from regionwise.errors import SettingError
from replicas import union_cam as replica
from replicas.common import array, per_image_and_target
from samples import SHAPES, assert_same, chosen, evidence, float64

MODULES = [
    ("denoise", "unite", "select"),
    ("unite", "select"),
    ("denoise", "select"),
    ("denoise", "unite"),
    ("denoise",),
    (),
]


@pytest.mark.parametrize("theta", [0, 10, 37.5, 90, 100])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica_of_the_denoising(shape, theta):
    _, gradients = evidence(shape, signed=True)
    ours = denoised_gradients(gradients, theta)
    expected = np.stack([replica.denoised(g, theta) for g in array(gradients.flatten(0, 2))])
    assert_same(ours.flatten(0, 2), expected)


@pytest.mark.parametrize("theta", [0, 10, 25, 70, 99.5, 100])
def test_percentiles_are_those_of_numpy(theta):
    _, gradients = evidence((2, 1, 3, 5, 4), signed=True)
    expected = np.percentile(array(gradients), theta, axis=(-2, -1), keepdims=True)
    assert_same(percentile(gradients, theta), expected, tolerance=1e-14)


@pytest.mark.parametrize("alpha", ["sum", "count"])
@pytest.mark.parametrize("signed", [False, True], ids=["rectified", "signed"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_replica_of_the_denoised_map(shape, signed, alpha):
    activations, gradients = evidence(shape, signed=signed)

    def one(planes, slopes):
        return replica.denoised_map(list(planes), list(slopes), alpha=alpha)

    ours = denoised_map(activations, gradients, alpha=alpha)
    assert_same(ours, per_image_and_target(activations, gradients, one))


def test_denoising_by_hand():
    gradients = float64([[[[[1.0, 2.0, 3.0], [4.0, 5.0, -6.0]]]]])
    # sorted -6 1 2 3 4 5: the 40th percentile lies at place 2, value 2
    kept = denoised_gradients(gradients, 40.0)
    assert kept.tolist() == [[[[[0.0, 2.0, 3.0], [4.0, 5.0, 0.0]]]]]
    activations = float64([[[[9.0, 7.0, 14.0], [7.0, 14.0, 9.0]]]])
    # the positive gradients sum to 14: shares 2/14, 3/14, 4/14, 5/14
    assert_same(denoised_map(activations, kept), [[[[0, 1, 3], [2, 5, 0]]]], tolerance=1e-14)
    by_count = denoised_map(activations, kept, alpha="count")
    assert_same(by_count, [[[[0, 3.5, 10.5], [7, 17.5, 0]]]], tolerance=1e-14)


def test_union_and_selection_by_hand():
    denoised, region = float64([[[[1.0, 0.0]], [[1.0, 0.0]]]]), float64([[[[0.0, 1.0]]] * 2])
    united = union_map(denoised, region, float64([[0.5, 0.25]]), float64([[2.0, 1.0]]))
    assert united.tolist() == [[[[0.5, 2.0]], [[0.25, 1.0]]]]
    maps, chosen_ = select_map(united, region, float64([[0.3, 0.3]]), float64([[0.2, 0.4]]))
    assert maps.tolist() == [[[[0.5, 2.0]], [[0.0, 1.0]]]]
    assert chosen_.tolist() == [[True, False]]


def test_a_tie_goes_to_the_region_map():
    maps, chosen_ = select_map(
        float64([[[[1.0, 5.0]]]]), float64([[[[2.0, 3.0]]]]), float64([[0.5]]), float64([[0.5]])
    )
    assert maps.tolist() == [[[[2.0, 3.0]]]]
    assert not chosen_.any()


def test_two_negative_weights_make_a_negative_union():
    """Fact (iii)."""
    denoised, region = float64([[[[0.2, 1.0]]]]), float64([[[[1.0, 0.3]]]])
    assert (union_map(denoised, region, float64([[-0.1]]), float64([[-0.2]])) < 0).all()


def test_denoising_changes_only_channels_that_are_positive_almost_everywhere():
    """Fact (i): after the ReLU, theta = 10 matters only where the 10th percentile is above 0."""
    generator = torch.Generator().manual_seed(4)
    gradients = torch.randn(2, 2, 6, 5, 4, generator=generator, dtype=torch.float64)
    gradients[:, :, 0] = gradients[:, :, 0].abs()
    changed = (denoised_gradients(gradients, 10.0).relu() != gradients.relu()).flatten(3).any(3)
    positive = percentile(gradients, 10.0)[..., 0, 0] > 0
    assert positive.any()
    assert not positive.all()
    assert torch.equal(changed, positive)


def test_on_a_pooling_and_linear_head_weights_collapse(pooled_net, images):
    """Fact (ii): L_Den = 1/Z sum of the channels whose class weight is positive."""
    targets = chosen([0, 3], [2, 2], [1, 0])
    ours = explain(pooled_net, images, "union-cam", targets=targets, layer="features")
    activations = pooled_net.trunk(images).detach()
    positive = (pooled_net.fc.weight[targets] > 0).to(torch.float64)
    z = activations.shape[2] * activations.shape[3]
    expected = torch.einsum("ntk,nkij->ntij", positive, activations) / z
    assert_same(ours.details["denoised"], expected.detach())


@pytest.mark.parametrize("modules", MODULES, ids=lambda m: "+".join(m) or "none")
@pytest.mark.parametrize(
    "choices", [("sum", "min-max", "region"), ("count", "raw", "printed")], ids="-".join
)
@pytest.mark.parametrize("net", ["pooled_net", "deep_tail_net"])
def test_on_networks(net, modules, choices, images, request):
    alpha, scale, negative = choices
    model = request.getfixturevalue(net)
    layer = {"pooled_net": "features", "deep_tail_net": "stem"}[net]
    targets = chosen([0, 3], [2, 2], [1, 0])
    off = {name: name in modules for name in ("denoise", "unite", "select")}
    ours = explain(
        model,
        images,
        UnionCAM(theta=60.0, alpha=alpha, scale=scale, negative=negative, **off),
        targets,
        layer,
    )
    expected = replica.union_cam_of(
        model,
        model.trunk,
        model.tail,
        images,
        targets,
        settings=(60.0, alpha, scale, modules, negative),
    )
    assert abs(expected).max() > 0
    assert_same(ours.maps, expected)


def test_each_switch_matters(deep_tail_net, images):
    names = ["union-cam:theta=90"]
    names += [f"union-cam:theta=90,{module}=false" for module in ("denoise", "unite", "select")]
    found = explain_all(deep_tail_net, images, names, targets=[[0, 3], [2, 1], [1, 4]])
    whole = found.pop("union-cam:theta=90.0").maps
    for name, other in found.items():
        assert not torch.equal(other.maps, whole), name


def test_details_tell_what_was_decided(deep_tail_net, images):
    ours = explain(deep_tail_net, images, "union-cam:negative=printed", [[0, 3], [2, 1], [1, 4]])
    details = ours.details
    won = details["beta_united"] > details["beta_region"]
    assert torch.equal(details["chose_united"], won)
    assert won.any()
    assert not won.all()
    assert torch.equal(ours.maps[won], details["united"][won])
    assert_same(ours.maps[~won].amax((1, 2)), np.ones(int((~won).sum())))


def test_two_negative_weights_keep_the_region_map(deep_tail_net, images):
    """Unless Eq. 8 is taken literally: then an inverted map may win, and is flagged."""
    targets = [[0, 1, 2, 3, 4]] * 3
    printed = explain(deep_tail_net, images, "union-cam:negative=printed", targets)
    ours = explain(deep_tail_net, images, "union-cam", targets)
    details = printed.details
    hopeless = (details["beta_denoised"] < 0) & (details["beta_region"] < 0)
    inverted = hopeless & details["chose_united"]
    assert inverted.any()
    assert (printed.maps[inverted] <= 0).all()
    for n, t in inverted.nonzero().tolist():
        assert "no positive evidence" in printed.flags[n][t]
    assert not ours.details["chose_united"][hopeless].any()
    assert (ours.maps[hopeless] >= 0).all()
    assert torch.equal(ours.maps[~hopeless], printed.maps[~hopeless])


def test_one_negative_weight_is_no_reason_to_give_up_the_union():
    found = {
        "beta_denoised": float64([[-1.0, -1.0, 1.0, 1.0]]),
        "beta_region": float64([[-2.0, 2.0, -2.0, 2.0]]),
    }
    union = float64([[5.0, 5.0, 5.0, 5.0]])
    assert UnionCAM()._rival(found, union).tolist() == [[-2.0, 5.0, 5.0, 5.0]]
    assert UnionCAM(negative="printed")._rival(found, union).tolist() == union.tolist()


def test_a_percentile_has_its_range():
    for theta in (-1.0, 101.0, float("nan")):
        with pytest.raises(SettingError, match="percentile"):
            UnionCAM(theta=theta)


def test_a_blank_layer_gives_a_blank_map(pooled_net, images):
    with torch.no_grad():
        pooled_net.features[2].weight.zero_()
        pooled_net.features[2].bias.fill_(-1.0)
    ours = explain(pooled_net, images, "union-cam", targets=1, layer="features")
    assert not ours.maps.any()
    assert all(row for row in ours.flags)


@pytest.mark.parametrize("scale", ["min-max", "raw"])
def test_a_constant_channel_is_no_region(pooled_net, images, scale):
    """Channel 0 is dead, channel 1 a constant 0.7: neither can be a mask."""
    with torch.no_grad():
        last = pooled_net.features[2]
        last.weight[:2] = 0
        last.bias[0], last.bias[1] = -1.0, 0.7
    targets = chosen([0], [1], [2])
    method = f"union-cam:scale={scale}"
    ours = explain(pooled_net, images, method, targets=targets, layer="features")
    expected = replica.union_cam_of(
        pooled_net,
        pooled_net.trunk,
        pooled_net.tail,
        images,
        targets,
        settings=(10.0, "sum", scale, ("denoise", "unite", "select"), "region"),
    )
    assert_same(ours.maps, expected)
    region = [
        replica.region_map(pooled_net, image, list(planes), int(target))
        for image, planes, (target,) in zip(
            images, array(pooled_net.trunk(images)), targets, strict=True
        )
    ]
    assert_same(ours.details["region"][:, 0], np.stack(region))


def test_a_score_function_is_its_own_score(pooled_net, images):
    def first(logits):
        return logits.softmax(1)[:, 0]

    mine = explain(pooled_net, images, "union-cam", targets=first, layer="features")
    class_map = explain(pooled_net, images, "union-cam", targets=0, layer="features")
    assert_same(mine.details["region"], class_map.details["region"])
    assert_same(mine.details["beta_region"], class_map.details["beta_region"])
