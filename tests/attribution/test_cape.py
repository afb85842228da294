"""The methods cape and mu-cape: trained heads, vanilla heads re-read, and what they refuse."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from footprint import assert_untouched, snapshot
from heads.joints import head_of
from nets import PooledNet, seeded
from regionwise import Versus, explain, explain_all, methods
from regionwise.attribution.cape import CAPE
from regionwise.errors import InputError, ModelError, SettingError, TargetError
from regionwise.evidence.needs import JOINT, POOLED_HEAD
from replicas import cape as replica
from samples import assert_same, chosen

TARGETS = chosen([0, 3], [2, 2], [1, 0])
KINDS = pytest.mark.parametrize("kind", ["cape", "cape three"])


def network_of(kind, classes=4):
    """A backbone and a head that explains itself."""
    backbone = seeded(PooledNet, seed=11).features
    return nn.Sequential(OrderedDict(backbone=backbone, head=head_of(kind, 6, classes)))


@pytest.fixture
def cape_net():
    return network_of("cape").eval()


def shares_of(model, images):
    """P of every image and class, by the loops."""
    head = model.head
    maps = replica.class_maps(model.backbone(images), head.weight.detach(), head.bias.detach())
    times = head.log_temperatures.tolist()
    return replica.every(replica.contributions, maps, *(times[:2] if len(times) == 3 else []))


@KINDS
def test_maps_are_the_contributions(kind, images):
    model = network_of(kind).eval()
    ours = explain(model, images, "cape", targets=TARGETS)
    shares = shares_of(model, images)
    assert ours.layer == "backbone"
    assert ours.maps.shape == (3, 2, 4, 3)
    for n in range(3):
        for t in range(2):
            assert_same(ours.maps[n, t], shares[n, TARGETS[n, t]])
    assert_same(ours.maps.sum((2, 3)), ours.probabilities)
    assert_same(ours.details["probabilities"], model(images).exp())
    assert ours.exact
    assert not ours.signed


def test_every_quantity(cape_net, images):
    joint = cape_net.head.joint(cape_net.backbone(images))
    top = joint.probabilities.topk(2).indices
    expected = {
        "attribution": joint.attribution(TARGETS),
        "conditional": joint.conditional(TARGETS),
        "posterior": joint.posterior(TARGETS),
        "saliency": joint.saliency[:, None].expand(-1, 2, -1, -1),
        "subset,classes=1+3": joint.subset([1, 3])[:, None].expand(-1, 2, -1, -1),
        "subset": joint.saliency[:, None].expand(-1, 2, -1, -1),
    }
    for quantity, maps in expected.items():
        ours = explain(cape_net, images, f"cape:quantity={quantity}", targets=TARGETS)
        assert_same(ours.maps, maps.detach())
        assert not ours.signed
        assert ours.exact == (quantity == "attribution")
    ours = explain(cape_net, images, "cape:quantity=counterfactual", targets=top[:, 0])
    assert ours.signed
    assert torch.equal(ours.details["against"], top[:, 1:])
    assert_same(ours.maps, joint.counterfactual(top[:, 0], top[:, 1]).detach())


def test_the_counterfactual_of_any_class(cape_net, images):
    joint = cape_net.head.joint(cape_net.backbone(images))
    ours = explain(cape_net, images, "cape:quantity=counterfactual,against=1", targets=[[0, 2]] * 3)
    against = torch.full((3, 2), 1)
    assert_same(ours.maps, joint.counterfactual(chosen(*[[0, 2]] * 3), against).detach())
    gap = joint.probabilities[:, [0, 2]] - joint.probabilities[:, [1]]
    assert_same(ours.maps.sum((2, 3)), gap.detach())
    # what is not the top class is set against the top class
    rest = joint.probabilities.argsort(descending=True)
    ours = explain(cape_net, images, "cape:quantity=counterfactual", targets=rest[:, 1:3])
    assert torch.equal(ours.details["against"], rest[:, :1].expand(-1, 2))


@pytest.mark.parametrize("method", ["cape", "cape:quantity=counterfactual"])
def test_a_class_against_another_is_the_counterfactual(cape_net, images, method):
    ours = explain(cape_net, images, method, Versus(2, 0))
    named = explain(cape_net, images, "cape:quantity=counterfactual,against=0", targets=2)
    maps = explain(cape_net, images, "cape", [[2, 0]] * 3).map_difference()
    assert_same(ours.maps, named.maps)
    assert_same(ours.maps, maps.maps)


@KINDS
def test_mu_cape(kind, images):
    model = network_of(kind).eval()
    ours = explain(model, images, "mu-cape", targets=TARGETS)
    head = model.head
    maps = replica.class_maps(model.backbone(images), head.weight.detach(), head.bias.detach())
    times = head.log_temperatures.tolist()
    mu = replica.every(replica.mu_map, maps, *(times[:2] if len(times) == 3 else []))
    for n in range(3):
        for t in range(2):
            assert_same(ours.maps[n, t], mu[n, TARGETS[n, t]])
    assert not ours.exact


@pytest.mark.parametrize("head", ["off-the-shelf", "naive-average"])
def test_a_vanilla_head_read_as_cape(pooled_net, images, head):
    ours = explain(pooled_net, images, f"cape:head={head}", targets=TARGETS)
    fc = pooled_net.fc
    maps = replica.class_maps(pooled_net.features(images), fc.weight.detach(), fc.bias.detach())
    one = replica.contributions if head == "off-the-shelf" else replica.naive_contributions
    shares = replica.every(one, maps)
    for n in range(3):
        for t in range(2):
            assert_same(ours.maps[n, t], shares[n, TARGETS[n, t]])
    # what it splits up is the probability of the re-read network, which is another one
    read = ours.details["probabilities"]
    assert_same(ours.maps.sum((2, 3)), read.gather(1, TARGETS))
    assert_same(ours.probabilities, pooled_net(images).softmax(1).gather(1, TARGETS))
    assert (ours.probabilities - read.gather(1, TARGETS)).abs().max() > 1e-3
    assert ours.exact
    assert explain(pooled_net, images, f"cape:head={head}").layer == "features"


def test_mu_cape_of_a_vanilla_head(pooled_net, images):
    ours = explain(pooled_net, images, "mu-cape:head=off-the-shelf", targets=TARGETS)
    fc = pooled_net.fc
    maps = replica.class_maps(pooled_net.features(images), fc.weight.detach(), fc.bias.detach())
    mu = replica.every(replica.mu_map, maps)
    assert_same(ours.maps[1, 0], mu[1, 2])


def test_a_head_without_bias_is_read_too(images):
    model = seeded(PooledNet, seed=11)
    model.fc = nn.Linear(6, 4, bias=False).double()
    ours = explain(model, images, "cape:head=off-the-shelf", targets=1)
    maps = replica.class_maps(model.features(images), model.fc.weight.detach())
    assert_same(ours.maps[:, 0], replica.every(replica.contributions, maps)[:, 1])


def test_a_re_read_head_is_that_of_a_cape_network(pooled_net, images):
    """Off the shelf, and a CAPE head that took the linear layer over, are the same thing."""
    head = head_of("cape", 6, 4)
    head.copy_from(pooled_net.fc)
    model = nn.Sequential(OrderedDict(backbone=pooled_net.features, head=head)).eval()
    for method in ("cape", "mu-cape"):
        ours = explain(model, images, method, TARGETS)
        shelf = explain(pooled_net, images, f"{method}:head=off-the-shelf", TARGETS)
        assert_same(ours.maps, shelf.maps)


class FunctionalRelu(nn.Module):
    """As DenseNet: between the last module and the pooling lies a ReLU that is no module."""

    def __init__(self):
        super().__init__()
        self.features = nn.Conv2d(3, 6, 3, stride=4, padding=1)
        self.classifier = nn.Linear(6, 4)

    def forward(self, x):
        return self.classifier(F.relu(self.features(x)).mean((2, 3)))


class NormBehindPooling(nn.Module):
    """As ConvNeXt: pooling, layer normalisation, linear."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 6, 3, stride=4, padding=1), nn.ReLU())
        self.norm, self.head = nn.LayerNorm(6), nn.Linear(6, 4)

    def forward(self, x):
        return self.head(self.norm(self.features(x).mean((2, 3))))


@pytest.mark.parametrize("factory", [FunctionalRelu, NormBehindPooling])
@pytest.mark.parametrize(
    "method", ["cape:head=off-the-shelf", "cape:head=naive-average", "mu-cape:head=off-the-shelf"]
)
def test_tails_that_are_not_pooling_and_linear_are_refused(factory, method, images):
    model = seeded(factory, seed=5)
    with pytest.raises(ModelError, match="not global average pooling followed by one linear"):
        explain(model, images, method)


@pytest.mark.parametrize("method", ["cape", "mu-cape", "cape:quantity=saliency"])
def test_networks_without_such_a_head_are_told_how_to_get_one(pooled_net, images, method):
    with pytest.raises(
        ModelError, match=r"no head that explains itself.*--head cape.*off-the-shelf"
    ):
        explain(pooled_net, images, method)


def test_the_head_must_be_capes(images):
    with pytest.raises(ModelError, match="the head is calm's; ask for calm"):
        explain(network_of("calm").eval(), images, "cape")
    with pytest.raises(ModelError, match="ask for calm"):
        explain(network_of("calm").eval(), images, "mu-cape")


def test_the_layer_must_be_the_one_in_front_of_the_head(cape_net, images):
    with pytest.raises(ModelError, match=r"does not take this layer.*'backbone.0'"):
        explain(cape_net, images, "cape", layer="backbone.0")
    with pytest.raises(ModelError, match="does not take this layer"):
        explain(cape_net, images, "cape", layer="backbone.2")  # right size, but before the ReLU
    assert_same(
        explain(cape_net, images, "cape", layer="backbone.3").maps,
        explain(cape_net, images, "cape").maps,
    )


def test_what_cannot_be_a_target(cape_net, images):
    for method in ("cape", "mu-cape", "cape:quantity=counterfactual", "cape:quantity=posterior"):
        with pytest.raises(TargetError, match="explains classes, not a score function"):
            explain(cape_net, images, method, targets=lambda logits: logits[:, 0])
        with pytest.raises(TargetError, match="99"):
            explain(cape_net, images, method, targets=99)
    # where the cue lies at all is no question about a class
    ours = explain(cape_net, images, "cape:quantity=saliency", targets=lambda y: y[:, 0])
    assert ours.maps.shape == (3, 1, 4, 3)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ("quantity=subset,classes=1+99", TargetError, "no class 99"),
        ("quantity=subset,classes=1+1", TargetError, "each once"),
        ("quantity=subset,classes=-1", TargetError, "no class -1"),
        ("quantity=subset,classes=1+", SettingError, r"joined by \+"),
        ("quantity=subset,classes=wren", SettingError, r"joined by \+"),
        ("quantity=subset,classes=1;2", SettingError, r"joined by \+"),
        ("classes=1+2", SettingError, "belongs to quantity=subset"),
        ("against=1", SettingError, "belongs to quantity=counterfactual"),
        ("quantity=counterfactual,against=2", TargetError, "against itself"),
        ("quantity=counterfactual,against=99", TargetError, "no class 99"),
        ("quantity=counterfactual,against=-2", SettingError, "at least -1"),
    ],
)
def test_settings_that_make_no_sense(cape_net, images, settings, error, message):
    with pytest.raises(error, match=message):
        explain(cape_net, images, f"cape:{settings}", targets=2)


def test_the_heads_that_may_be_asked_for():
    assert methods.card("cape").settings()["head"].accepts("naive-average")
    assert not methods.card("mu-cape").settings()["head"].accepts("naive-average")
    assert not methods.card("cape").settings()["quantity"].accepts("evidence")


def test_what_is_prepared_depends_on_the_head():
    assert CAPE().needs == frozenset({JOINT})
    assert CAPE(head="off-the-shelf").needs == frozenset({POOLED_HEAD})
    assert CAPE().id == "cape"
    assert CAPE(quantity="subset", classes="1+2").id == "cape:classes=1+2,quantity=subset"


def test_several_questions_share_one_pass(cape_net, images):
    calls = []
    handle = cape_net.backbone.register_forward_hook(lambda *_: calls.append(1))
    names = ["cape", "mu-cape", "cape:quantity=posterior", "cape:quantity=saliency"]
    try:
        explain_all(cape_net, images, names, layer="backbone")
    finally:
        handle.remove()
    assert len(calls) == 1


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(cape_net, images, training):
    cape_net.train(training)
    before = snapshot(cape_net)
    found = explain_all(cape_net, images, ["cape", "mu-cape"], layer="backbone")
    assert_untouched(before, cape_net)
    for ours in found.values():
        assert not ours.maps.requires_grad
        assert not ours.details["probabilities"].requires_grad
    with pytest.raises(TargetError):
        explain(cape_net, images, "cape", targets=99)
    assert_untouched(before, cape_net)


@KINDS
@pytest.mark.parametrize("method", ["cape", "mu-cape", "cape:quantity=posterior"])
def test_a_loss_on_the_map_reaches_the_weights(kind, method, images):
    model = network_of(kind).eval()
    ours = explain(model, images, method, targets=1, create_graph=True)
    expected = model.head.joint(model.backbone(images))
    expected = {
        "cape": expected.attribution,
        "mu-cape": expected.mu,
        "cape:quantity=posterior": expected.posterior,
    }[method](1)
    assert_same(ours.maps.detach(), expected.detach())
    weights = [model.head.weight, model.backbone[0].weight]
    found = torch.autograd.grad(ours.maps.square().sum(), weights)
    wanted = torch.autograd.grad(expected.square().sum(), weights)
    for one, other in zip(found, wanted, strict=True):
        assert one.abs().max() > 1e-9
        assert_same(one, other)


@pytest.mark.parametrize("head", ["off-the-shelf", "naive-average"])
def test_a_loss_on_the_map_of_a_vanilla_head(pooled_net, images, head):
    ours = explain(pooled_net, images, f"cape:head={head}", targets=1, create_graph=True)
    weights = [pooled_net.fc.weight, pooled_net.features[0].weight]
    for slope in torch.autograd.grad(ours.maps.square().sum(), weights):
        assert slope.abs().max() > 1e-9


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_in_lower_precision(cape_net, images, dtype):
    model = cape_net.to(dtype)
    ours = explain(model, images.to(dtype), "cape", targets="top-2")
    assert ours.maps.dtype == torch.float32
    assert (ours.maps.sum((2, 3)) - ours.probabilities).abs().max() < 1e-6


def test_a_batch_is_its_images_one_by_one(cape_net, images):
    whole = explain(cape_net, images, "cape", TARGETS)
    for n in range(3):
        alone = explain(cape_net, images[n : n + 1], "cape", TARGETS[n : n + 1])
        assert_same(alone.maps, whole.maps[n : n + 1])


def test_pictures_are_not_needed_but_numbers_are(cape_net):
    with pytest.raises(InputError):
        explain(cape_net, torch.full((1, 3, 16, 12), torch.nan).double(), "cape")
