"""The method calm: its quantities, and what it refuses."""

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from footprint import assert_untouched, snapshot
from heads.joints import head_of
from nets import PooledNet, seeded
from regionwise import Versus, explain
from regionwise.errors import ModelError, SettingError, TargetError
from replicas import calm as replica
from replicas.cape import class_maps
from samples import assert_same, chosen

TARGETS = chosen([0, 3], [2, 2], [1, 0])
CALMS = ["calm", "calm relu", "calm relu, detached"]


def network_of(kind):
    backbone = seeded(PooledNet, seed=11).features
    return nn.Sequential(OrderedDict(backbone=backbone, head=head_of(kind, 6, 4))).eval()


@pytest.fixture(params=CALMS)
def calm_net(request):
    return network_of(request.param)


def shares_of(model, images):
    """p(y, z | x) of every image, by the loops."""
    head, activations = model.head, model.backbone(images)
    maps = [
        class_maps(activations, layer.weight[:, :, 0, 0].detach(), layer.bias.detach())
        for layer in (head.cue, head.location)
    ]
    pairs = zip(maps[0], maps[1][:, 0], strict=True)
    return np.stack([replica.joint(cues, scores, head.prior) for cues, scores in pairs])


def test_every_quantity(calm_net, images):
    shares = shares_of(calm_net, images)

    def asked(quantity, targets=TARGETS):
        return explain(calm_net, images, f"calm:quantity={quantity}", targets=targets)

    posterior, where, conditional = map(asked, ("posterior", "saliency", "conditional"))
    subset, everything = asked("subset,classes=0+3"), asked("subset")
    against = asked("counterfactual,against=1", targets=2)
    ours = explain(calm_net, images, "calm", targets=TARGETS)
    assert ours.layer == "backbone"
    assert_same(ours.maps.sum((2, 3)), ours.probabilities)
    for n in range(3):
        saliency = replica.saliency(shares[n])
        for t in range(2):
            c = int(TARGETS[n, t])
            assert_same(ours.maps[n, t], shares[n, c])
            assert_same(posterior.maps[n, t], replica.posterior(shares[n], c))
            assert_same(where.maps[n, t], saliency)
            assert_same(conditional.maps[n, t] * torch.from_numpy(saliency), shares[n, c])
            assert_same(subset.maps[n, t], replica.subset(shares[n], [0, 3]))
            assert_same(everything.maps[n, t], saliency)
        assert_same(against.maps[n, 0], replica.counterfactual(shares[n], 2, 1))
        assert against.signed


def test_a_class_against_another_is_the_counterfactual(calm_net, images):
    shares = shares_of(calm_net, images)
    ours = explain(calm_net, images, "calm", Versus(2, 0))
    assert_same(ours.maps[:, 0], shares[:, 2] - shares[:, 0])
    gap = calm_net(images).exp()
    assert_same(ours.maps.sum((1, 2, 3)), (gap[:, 2] - gap[:, 0]).detach())


def test_a_vanilla_network_is_told_how_to_get_such_a_head(pooled_net, images):
    with pytest.raises(ModelError, match=r"no head that explains itself.*--head calm") as refused:
        explain(pooled_net, images, "calm")
    assert "off-the-shelf" not in str(refused.value)  # there is no CALM off the shelf


def test_the_head_must_be_calms(images):
    with pytest.raises(ModelError, match="the head is cape's; ask for cape"):
        explain(network_of("cape"), images, "calm")


def test_what_cannot_be_asked(calm_net, images):
    with pytest.raises(TargetError, match="not a score function"):
        explain(calm_net, images, "calm", targets=lambda logits: logits[:, 0])
    with pytest.raises(SettingError, match="has no setting 'head'"):
        explain(calm_net, images, "calm:head=off-the-shelf")
    for settings, message in (
        ("classes=1+2", "belongs to quantity=subset"),
        ("against=1", "belongs to quantity=counterfactual"),
        ("quantity=subset,classes=1+x", r"joined by \+"),
        ("quantity=counterfactual,against=-3", "at least -1"),
    ):
        with pytest.raises(SettingError, match=message):
            explain(calm_net, images, f"calm:{settings}", targets=2)


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(calm_net, images, training):
    calm_net.train(training)
    before = snapshot(calm_net)
    ours = explain(calm_net, images, "calm", layer="backbone")
    assert_untouched(before, calm_net)
    assert not ours.maps.requires_grad


def test_a_loss_on_the_map_reaches_the_weights(calm_net, images):
    ours = explain(calm_net, images, "calm", targets=1, create_graph=True)
    expected = calm_net.head.joint(calm_net.backbone(images)).attribution(1)
    head = calm_net.head
    weights = [head.cue.weight, head.location.weight, calm_net.backbone[0].weight]
    found = torch.autograd.grad(ours.maps.square().sum(), weights)
    wanted = torch.autograd.grad(expected.square().sum(), weights)
    for one, other in zip(found, wanted, strict=True):
        assert one.abs().max() > 1e-9
        assert_same(one, other)


def test_an_impossible_cell_is_zero_and_no_trouble(images):
    """Every cell's prior is cut by the ReLU but one."""
    model = network_of("calm relu")
    with torch.no_grad():
        model.head.location.bias.fill_(-float(model.backbone(images).amax() * 60))
    ours = explain(model, images, "calm")
    assert torch.isfinite(ours.maps).all()
    assert_same(ours.maps.sum((2, 3)), ours.probabilities)
