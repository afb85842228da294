"""Several layers fused into one map: by hand, literally, and at the door."""

import math

import numpy as np
import pytest
import torch

from nets import PooledNet, seeded
from regionwise import Probe, Versus, explain, explain_all
from regionwise.attribution.catalog import methods
from regionwise.attribution.fusion import fuse_maps
from regionwise.errors import LayerError, SettingError
from replicas.common import array
from replicas.resize import upsample
from samples import assert_same, chosen, float64

LAYERS = ["features.1", "features"]
WAYS = ["mean", "max", "scaled-max"]


def test_by_hand():
    fine = float64([[[[2.0, -4.0], [1.0, 0.0]]]])
    other = float64([[[[0.0, 5.0], [10.0, -1.0]]]])
    assert fuse_maps([fine, other]).tolist() == [[[[0.5, 0.25], [0.75, 0.0]]]]
    assert fuse_maps([fine, other], "max").tolist() == [[[[1.0, 0.5], [1.0, 0.0]]]]
    assert fuse_maps([fine, other], "scaled-max").tolist() == [[[[1.0, 0.5], [1.0, 0.0]]]]


def test_only_the_shallow_are_lifted():
    """tanh(2) = 0.9640, tanh(1) = 0.7616; the coarse map is 1 everywhere but at its zeros."""
    fine = float64([[[[4.0, 2.0, 0.0, -3.0], [0.0, 0.0, 0.0, 0.0]]]])
    coarse = float64([[[[0.0, 3.0]]]])
    found = fuse_maps([fine, coarse], "scaled-max")[0, 0]
    assert found[0].tolist() == pytest.approx([math.tanh(2), math.tanh(1), 0.75, 1.0])
    assert found[1].tolist() == pytest.approx([0.0, 0.25, 0.75, 1.0])
    assert fuse_maps([coarse, fine], "scaled-max")[0, 0].equal(found)


def literal(maps, fuse):
    """Each map to the finest grid, its negative values cut, over its maximum; mean or maximum."""
    rows, columns = (max(m.shape[axis] for m in maps) for axis in (0, 1))
    fewest = min(m.size for m in maps)
    shares = []
    for one in maps:
        full = upsample(one, (rows, columns)) if one.shape != (rows, columns) else one
        top = max(0.0, *full.flat)
        share = np.zeros((rows, columns))
        if top > 0 and one.min() < one.max():
            for i in range(rows):
                for j in range(columns):
                    share[i, j] = max(0.0, full[i, j]) / top
                    if fuse == "scaled-max" and one.size > fewest:
                        share[i, j] = math.tanh(2 * share[i, j])
        shares.append(share)
    return sum(shares) / len(shares) if fuse == "mean" else np.maximum.reduce(shares)


@pytest.mark.parametrize("fuse", WAYS)
@pytest.mark.parametrize("method", ["layer-cam", "grad-cam:relu=false", "cam"])
def test_replica(pooled_net, images, method, fuse):
    targets = chosen([0, 3], [2, 1], [1, 0])
    if method == "cam":
        layers = ["features.2", "features"]
        with torch.no_grad():
            pooled_net.features[2].bias += 20  # the last ReLU changes nothing: CAM has two layers
    else:
        layers = LAYERS
    ours = explain(pooled_net, images, method, targets, layers, fuse=fuse)
    single = [array(explain(pooled_net, images, method, targets, layer).maps) for layer in layers]
    for n in range(3):
        for t in range(2):
            expected = literal([maps[n, t] for maps in single], fuse)
            assert_same(ours.maps[n, t], expected)
    assert ours.layer == " + ".join(layers)
    assert ours.method == method
    assert not ours.signed
    for layer, maps in zip(layers, single, strict=True):
        assert_same(ours.details["maps"][layer], maps)
    assert float(ours.maps.min()) >= 0
    assert float(ours.maps.max()) <= 1


def test_all_methods_at_once_and_their_own_details(pooled_net, images):
    both = explain_all(pooled_net, images, ["grad-cam", "eigen-cam"], "top-2", LAYERS, fuse="max")
    assert list(both) == ["grad-cam", "eigen-cam"]
    assert both["grad-cam"].targets.equal(both["eigen-cam"].targets)
    tail = explain(pooled_net, images, "lift-cam", 1, LAYERS)
    assert list(tail.details["details"]) == LAYERS
    assert set(tail.details["details"]["features"]) >= {"rule", "gap"}


def test_targets_are_found_once(pooled_net, images, monkeypatch):
    """A name, a rank or a pair means the same classes at every layer, whatever dropout does."""
    asked = []

    class Watched(Probe):
        def __init__(self, model, inputs, targets, layer, **settings):
            asked.append(targets)
            super().__init__(model, inputs, targets, layer, **settings)

    monkeypatch.setattr("regionwise.attribution.explain.Probe", Watched)
    first = explain(pooled_net, images, "grad-cam", "top-2", LAYERS)
    assert asked[0] == "top-2"
    assert asked[1].equal(first.targets)

    def score(logits):
        return logits[:, 1]

    ours = explain(pooled_net, images, "grad-cam", score, LAYERS)
    assert ours.target_names[0] == ("score",)
    pair = explain(pooled_net, images, "grad-cam", Versus(0, 2), LAYERS)
    assert pair.target_names[0] == ("class 0 vs class 2",)
    top = explain(pooled_net, images, "grad-cam", None, LAYERS)
    assert top.targets[:, 0].equal(pooled_net(images).argmax(1))


def test_one_layer_in_a_list_is_that_layer(pooled_net, images):
    alone = explain(pooled_net, images, "grad-cam", 1, ["features"])
    plain = explain(pooled_net, images, "grad-cam", 1, "features")
    assert alone.maps.equal(plain.maps)
    assert alone.layer == "features"


def test_modules_are_layers_too(pooled_net, images):
    modules = [pooled_net.features[1], pooled_net.features]
    ours = explain(pooled_net, images, "grad-cam", 1, modules)
    assert ours.maps.equal(explain(pooled_net, images, "grad-cam", 1, LAYERS).maps)


@pytest.mark.parametrize("fuse", WAYS)
def test_a_blank_layer_adds_nothing_and_says_so(pooled_net, images, fuse):
    ours = explain(pooled_net, images, "grad-cam", 1, LAYERS, fuse=fuse)
    blank, other = torch.zeros_like(ours.details["maps"]["features"]), ours.details["maps"]
    with_blank = fuse_maps([other["features.1"], blank], fuse)
    alone = fuse_maps([other["features.1"], blank[..., :1, :1] * 0], fuse)
    assert with_blank.equal(alone)
    for value in (-2.0, 0.0, 7.0):
        assert fuse_maps([other["features.1"], blank + value], fuse).equal(with_blank)


def test_flags_of_layers_and_of_the_whole(pooled_net, images):
    with torch.no_grad():
        pooled_net.fc.weight[1] = -pooled_net.fc.weight[1].abs()
        pooled_net.features[2].weight.abs_()
    ours = explain(pooled_net, images, "grad-cam", 1, LAYERS)
    assert ours.details["flags"]["features"] == ((("no positive evidence",),),) * 3
    assert ours.flags == ((("no positive evidence",),),) * 3
    with torch.no_grad():
        pooled_net.fc.weight[1] = 0
    ours = explain(pooled_net, images, "grad-cam", 1, LAYERS)
    assert ours.flags == ((("no positive evidence", "zero gradient"),),) * 3
    assert not ours.saliency().any()


def test_finest_in_each_direction():
    wide, tall = torch.rand(1, 1, 2, 6), torch.rand(1, 1, 5, 3)
    assert fuse_maps([wide, tall], "max").shape == (1, 1, 5, 6)


@pytest.mark.parametrize("method", [c.name for c in methods.cards() if not c.uses_layer])
def test_methods_without_a_layer_are_refused(pooled_net, images, method):
    with pytest.raises(SettingError, match=f"'{method}' does not use a layer"):
        explain(pooled_net, images, method, 1, LAYERS)


def test_refusals(pooled_net, images):
    with pytest.raises(SettingError, match=r"'min'.*mean, max, scaled-max"):
        explain(pooled_net, images, "grad-cam", 1, LAYERS, fuse="min")
    with pytest.raises(SettingError, match="'min'"):
        explain(pooled_net, images, "grad-cam", 1, fuse="min")
    with pytest.raises(LayerError, match="'features' was given twice"):
        explain(pooled_net, images, "grad-cam", 1, ["features", pooled_net.features])
    with pytest.raises(LayerError, match="empty"):
        explain(pooled_net, images, "grad-cam", 1, [])
    with pytest.raises(LayerError, match="feature'"):
        explain(pooled_net, images, "grad-cam", 1, ["features", "feature"])


def test_it_makes_a_map_finer(images):
    net = seeded(PooledNet, 3)
    ours = explain(net, images, "layer-cam", 1, LAYERS, fuse="scaled-max")
    assert ours.maps.shape[2:] == ours.details["maps"]["features.1"].shape[2:] == (8, 6)
    assert ours.saliency().shape == (3, 1, 16, 12)
    assert len(ours.overlay(images.sigmoid())) == 3
