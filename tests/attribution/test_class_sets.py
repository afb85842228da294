"""Sets of classes: how they are asked for, and the maps that are added up (CALM + Y, CAM + Y)."""

import json
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from heads.joints import head_of
from nets import PooledNet, seeded
from regionwise import Classifier, Versus, explain
from regionwise.attribution.cam import CAM, superset_map
from regionwise.attribution.catalog import methods
from regionwise.attribution.class_sets import checked_classes, is_fixed, set_of_target
from regionwise.errors import SettingError, TargetError
from replicas import calm as calm_replica
from replicas.cam import cam, superset
from replicas.cape import class_maps
from samples import assert_same, chosen, float64

NAMES = ("001.Grey_Wren", "002.Red_Wren", "003.Song_Thrush", "004.Marsh_Wren")
TARGETS = chosen([0, 2], [2, 2], [3, 1])


@pytest.fixture
def written(tmp_path):
    """Write sets into a file; TOML by hand, JSON by the library."""

    def write(name="sets.toml", text='[groups]\nwrens = ["grey wren", "Red_Wren", 3]\n'):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return str(path)

    return write


@pytest.fixture
def pooled(pooled_net):
    return Classifier(pooled_net, class_names=NAMES)


@pytest.fixture
def calm_net():
    backbone = seeded(PooledNet, seed=11).features
    parts = OrderedDict(backbone=backbone, head=head_of("calm", 6, 4))
    return Classifier(nn.Sequential(parts).eval(), class_names=NAMES)


def sets(text, names=NAMES):
    """The set of each of the four classes."""
    set_of = set_of_target(checked_classes("cam", text), 4, names)
    return [list(set_of(c)) for c in range(4)]


def test_the_sets_that_have_a_name():
    assert sets("all") == [[0, 1, 2, 3]] * 4
    assert sets("self", None) == [[0], [1], [2], [3]]
    assert sets("family") == [[0, 1, 3], [0, 1, 3], [2], [0, 1, 3]]
    assert sets("3+0", None) == [[0, 3]] * 4
    assert [is_fixed(text) for text in ("all", "3+0", "self", "family")] == [
        True,
        True,
        False,
        False,
    ]


def test_families_of_birds_are_their_species(tmp_path):
    from regionwise.data.birds.classes import species  # noqa: PLC0415

    names = [one.name for one in species(24)]
    set_of = set_of_target("family", 24, names)
    assert [list(set_of(c)) for c in range(24)] == [
        list(range(6 * (c // 6), 6 * (c // 6) + 6)) for c in range(24)
    ]


def test_sets_of_a_file(written):
    wrens = [[0, 1, 3], [0, 1, 3], [2], [0, 1, 3]]
    assert sets(written()) == wrens
    assert sets(written("a.json", {"groups": {"any": [0, 1, 3]}}), None) == wrens
    own = {"sets": {"grey wren": [0, 2], "3": ["MARSH WREN", 0, 1]}}
    assert sets(written("b.json", own)) == [[0, 2], [1], [2], [0, 1, 3]]


def test_a_file_is_named_with_a_hash_of_what_it_says(written):
    path = written()
    name = methods.parse(f"cam:classes={path}").id
    assert name == f"cam:classes={checked_classes('cam', path)}"
    assert len(name.rpartition("#")[2]) == 8
    assert methods.parse(name).id == name
    again = CAM(classes=written(text='# a word\n[groups]\nwrens=["grey wren","Red_Wren",3]'))
    assert again.id == name, "the content is the same"
    written(text='[groups]\nwrens = ["grey wren", "Red_Wren"]\n')
    with pytest.raises(SettingError, match="has changed"):
        methods.parse(name)
    assert methods.parse(f"cam:classes={path}").id != name


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("wrens", SettingError, r"all, self, family, indices joined by \+"),
        ("", SettingError, "not ''"),
        ("1+1", TargetError, "each once"),
        ("1+4", TargetError, "no class 4; there are 4"),
        ("none.toml", SettingError, "cannot read the sets 'none.toml'"),
    ],
)
def test_what_is_no_set(text, error, says):
    with pytest.raises(error, match=says):
        sets(text)


@pytest.mark.parametrize(
    ("content", "error", "says"),
    [
        ({"groups": {"a": ["gray wren", 1]}}, TargetError, "did you mean"),
        ({"groups": {"a": [0, 1], "b": [1, 2]}}, SettingError, "class 1 two sets"),
        ({"sets": {"red wren": [0, 2]}}, TargetError, "lacks 'red wren' itself"),
        ({"groups": {"a": [0, 0]}}, TargetError, "each once"),
        ({"groups": {"a": [0, 4]}}, TargetError, "no such class"),
        ({"groups": {"a": "wren"}}, SettingError, "a list of classes"),
        ({"groups": {"a": []}}, SettingError, "a list of classes"),
        ({"groups": [0, 1]}, SettingError, "a list of classes"),
        ({"families": {}}, SettingError, r"\[sets\] or \[groups\]"),
        ([1], SettingError, r"\[sets\] or \[groups\]"),
        ("{", SettingError, "cannot be read"),
    ],
)
def test_what_is_no_file_of_sets(written, content, error, says):
    with pytest.raises(error, match=says):
        sets(written("x.json", content))


def test_names_that_are_needed_or_mean_two_classes(written):
    with pytest.raises(SettingError, match="classes=family needs the names"):
        sets("family", None)
    with pytest.raises(TargetError, match="knows no names; give indices"):
        sets(written(), None)
    with pytest.raises(SettingError, match=r"as 2 classes are called: \[0, 1\]"):
        sets(written(), ("Grey wren", "grey_wren", "a", "b"))


def test_by_hand():
    maps = float64([[[[0.0, 2.0], [4.0, 1.0]], [[-1.0, -3.0], [-3.0, -2.0]], [[5.0, 5.0]] * 2]])
    members = torch.tensor([[[True, True, False], [False, False, True], [True, True, True]]])
    both = [[1.0, 0.5], [1.0, 0.75]]
    assert superset_map(maps, members).tolist() == [[both, [[0.0, 0.0]] * 2, both]]


@pytest.mark.parametrize("how", ["all", "family", "1+2"])
def test_cam_is_the_replica(pooled, images, how):
    ours = explain(pooled, images, f"cam:classes={how}", targets=TARGETS, layer="features")
    weights = pooled.module.fc.weight.expand(3, -1, -1)
    every = cam(pooled.module.trunk(images), weights)
    of_class = sets(how)
    for n in range(3):
        for t in range(2):
            expected = superset(every[n], of_class[int(TARGETS[n, t])])
            assert_same(ours.maps[n, t], expected)
    assert not ours.signed
    assert explain(pooled, images, "cam", layer="features").signed


def test_a_set_of_one_looks_like_cam_itself(pooled, images, written):
    """As on OpenImages, where Y is the label alone: rows with and without Y are equal."""
    alone = written("alone.json", {"sets": {str(c): [c] for c in range(4)}})
    own = explain(pooled, images, "cam", targets=2).saliency((9, 7))
    set_of_one = explain(pooled, images, f"cam:classes={alone}", targets=2)
    assert_same(set_of_one.saliency((9, 7)), own)
    assert not np.allclose(set_of_one.maps, explain(pooled, images, "cam", targets=2).maps)


@pytest.mark.parametrize("how", ["self", "family"])
def test_calm_is_the_replica(calm_net, images, how):
    ours = explain(calm_net, images, f"calm:quantity=subset,classes={how}", targets=TARGETS)
    head, activations = calm_net.module.head, calm_net.module.backbone(images)
    maps = [
        class_maps(activations, layer.weight[:, :, 0, 0].detach(), layer.bias.detach())
        for layer in (head.cue, head.location)
    ]
    for n in range(3):
        shares = calm_replica.joint(maps[0][n], maps[1][n, 0], head.prior)
        for t in range(2):
            members = sets(how)[int(TARGETS[n, t])]
            assert_same(ours.maps[n, t], calm_replica.subset(shares, members))
    if how == "self":
        assert_same(ours.maps, explain(calm_net, images, "calm", targets=TARGETS).maps)


def test_a_set_of_all_is_where_any_cue_lies(calm_net, images):
    subset = explain(calm_net, images, "calm:quantity=subset,classes=all", targets=1)
    assert subset.method == "calm:quantity=subset"
    assert_same(subset.maps, explain(calm_net, images, "calm:quantity=saliency", targets=1).maps)


@pytest.mark.parametrize("method", ["cam:classes=family", "calm:quantity=subset,classes=family"])
def test_a_class_against_another_subtracts_their_sets(calm_net, pooled, images, method):
    model = calm_net if method.startswith("calm") else pooled
    one, other = (explain(model, images, method, targets=c).maps for c in (3, 2))
    assert_same(explain(model, images, method, Versus(3, 2)).maps, one - other)
    with pytest.raises(TargetError, match="not a score function"):
        explain(model, images, method, targets=lambda logits: logits[:, 0])
    unnamed = Classifier(model.module)
    with pytest.raises(SettingError, match="needs the names"):
        explain(unnamed, images, method)


def test_calm_refuses_a_set_for_another_question(calm_net, images):
    with pytest.raises(SettingError, match="belongs to quantity=subset"):
        explain(calm_net, images, "calm:classes=family")


def test_a_loss_on_the_map_reaches_the_weights(pooled, images):
    ours = explain(pooled, images, "cam:classes=family", targets=0, create_graph=True)
    (found,) = torch.autograd.grad(ours.maps.square().sum(), [pooled.module.fc.weight])
    assert found[[0, 1, 3]].abs().min() > 0
    assert found[2].abs().max() == 0
