"""Axioms, sanity checks, similarity: replicas, by hand, known networks."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from metric_cases import case_of, maps_of, network, pixels
from nets import PooledNet, seeded
from regionwise.attribution.explain import explain
from regionwise.errors import InputError, ModelError, SettingError
from regionwise.heads.calm import Calm
from regionwise.heads.cape import Cape
from regionwise.metrics.axioms import completeness_gap, invariance_gap, patches, sensitivity_share
from regionwise.metrics.catalog import metrics
from regionwise.metrics.gauge import gauged, shifted_classes
from regionwise.metrics.randomising import layers_of, randomise, randomised, same_weights
from regionwise.metrics.sanity import similarity_of
from regionwise.metrics.similarity import average_ranks, spearman, ssim
from replicas import metrics_trust as replica
from samples import assert_same, float64


class Headed(nn.Module):
    """The trunk of `PooledNet` with a head that gives a joint."""

    def __init__(self, head, seed=5):
        super().__init__()
        self.features = seeded(PooledNet, seed=11).features
        self.head = head
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for parameter in head.parameters():
                noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
                parameter.copy_(noise * 0.7)

    def forward(self, x):
        return self.head(self.features(x))


def headed(kind):
    return Headed({"cape": Cape, "calm": Calm}[kind](6, 4).double()).eval()


def state(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def maps_by(method, layer="features"):
    def explained(model, inputs, targets):
        return explain(model, inputs, method, targets[:, None], layer).maps[:, 0]

    return explained


def explained_case(model, method, *, n=3, h=16, w=12, **given):
    inputs, on_model = pixels(n, h, w), maps_by(method)
    targets = torch.arange(n) % 2
    maps = on_model(model, inputs, targets)
    case = case_of(model, n=n, h=h, w=w, inputs=inputs, targets=targets, maps=maps, **given)
    return replace(case, model=model, on_model=on_model)


# --- similarity ---------------------------------------------------------------------------------


@pytest.mark.parametrize("absolute", [False, True])
def test_spearman_is_its_replica(absolute):
    first = maps_of(3) - 0.5
    second = (first + maps_of(3, seed=8) - 0.5).mul(7).round()
    expected = [
        replica.spearman(*((p.abs() if absolute else p).flatten().tolist() for p in pair))
        for pair in zip(first, second, strict=True)
    ]
    assert_same(spearman(first, second, absolute=absolute), expected)


def test_ranks_by_hand():
    assert average_ranks(float64([[3, 1, 3, 0]])).tolist() == [[3.5, 2.0, 3.5, 1.0]]
    a = float64([[[1, 2], [3, 4]]])
    assert float(spearman(a, a.exp())) == pytest.approx(1)
    assert float(spearman(a, -a)) == pytest.approx(-1)
    assert float(spearman(a, -a, absolute=True)) == pytest.approx(1)
    assert math.isnan(float(spearman(a, a * 0)))


def test_ssim_is_its_replica():
    first, second = maps_of(2, 14, 13), maps_of(2, 14, 13, seed=9)
    second = 0.6 * first + 0.4 * second
    expected = [replica.ssim(a, b) for a, b in zip(first, second, strict=True)]
    assert_same(ssim(first, second), expected)
    narrow = [
        replica.ssim(a, b, window=5, data_range=2.0) for a, b in zip(first, second, strict=True)
    ]
    assert_same(ssim(first, second, window=5, data_range=2.0), narrow)


def test_ssim_by_hand():
    maps = maps_of(2, 12, 12)
    assert_same(ssim(maps, maps), [1.0, 1.0])
    black, white = torch.zeros(1, 11, 11), torch.ones(1, 11, 11)
    assert float(ssim(black, white)) == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-6)
    with pytest.raises(InputError, match="11 x 11"):
        ssim(maps[:, :5], maps[:, :5])


SIGNS = {"spearman": -1, "spearman-abs": 1}


def test_similarity_of_blank_maps_is_undefined():
    maps, blank = maps_of(2, 4, 4), torch.zeros(2, 4, 4, dtype=torch.float64)
    for kind in ("ssim", "spearman", "spearman-abs"):
        assert similarity_of(maps, blank, kind, size=(16, 16)).isnan().all()
        assert_same(similarity_of(maps, maps, kind, size=(16, 16)), [1.0, 1.0])
    turned = {kind: similarity_of(maps, -maps, kind, size=(16, 16))[0] for kind in SIGNS}
    assert {kind: round(float(value)) for kind, value in turned.items()} == SIGNS


# --- the gauge ----------------------------------------------------------------------------------


def test_shifted_classes_by_hand():
    weight, bias = float64([[1, 2], [3, 4]]), float64([5, 6])
    moved, more = shifted_classes(weight, bias, float64([10, -1]), 2.0)
    assert moved.tolist() == [[11, 1], [13, 3]]
    assert more.tolist() == [7, 8]
    assert shifted_classes(weight, None, weight[0], 1.0)[1] is None


@pytest.mark.parametrize("kind", ["pooled", "cape", "calm"])
def test_a_gauge_changes_weights_and_no_probability(kind):
    model = network() if kind == "pooled" else headed(kind)
    before, inputs = state(model), pixels(3, 16, 12)
    other = gauged(model, inputs, seed=3)
    assert same_weights(model, before)
    assert not same_weights(other, before)
    torch.testing.assert_close(other(inputs).softmax(1), model(inputs).softmax(1))
    assert same_weights(gauged(model, inputs, seed=3), state(other))


def test_a_network_without_a_linear_end_has_no_gauge():
    class Curved(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, x):
            return self.inner(x).tanh()

    with pytest.raises(ModelError, match="no last linear layer"):
        gauged(Curved().eval(), pixels(2, 16, 12))


INVARIANT = {
    ("pooled", "cam"): False,
    ("pooled", "grad-cam"): False,
    ("calm", "calm"): True,
    ("cape", "cape"): True,
    ("cape", "mu-cape"): False,
}


@pytest.mark.parametrize(("kind", "method"), INVARIANT)
def test_which_methods_are_invariant(kind, method):
    """Golden test 5 of the protocols: what the softmax gauge changes, and what it does not."""
    model = network() if kind == "pooled" else headed(kind)
    gap = metrics.parse("implementation-invariance:normalize=none")(explained_case(model, method))
    assert bool((gap.values < 1e-9).all()) is INVARIANT[kind, method]
    assert bool((gap.values > 1e-3).all()) is not INVARIANT[kind, method]


def test_min_max_hides_a_constant():
    maps = maps_of(2) - 0.4
    assert_same(invariance_gap(maps, maps + 3), [0.0, 0.0])
    assert (invariance_gap(maps, maps + 3, normalize="max") > 0.3).all()
    assert (invariance_gap(maps, maps + 3, normalize=None) > 1).all()


# --- completeness and sensitivity ---------------------------------------------------------------


@pytest.mark.parametrize(("kind", "complete"), [("cape", True), ("calm", True), ("mu-cape", False)])
def test_which_maps_are_complete(kind, complete):
    case = explained_case(headed(kind.removeprefix("mu-")), kind)
    metric = metrics.parse("completeness")
    answer = metric.reduce([metric(case)])
    assert (answer["value"] < 1e-9) is complete
    assert (answer["complete"] == 1.0) is complete


def test_completeness_against_a_baseline():
    model = network()
    case = explained_case(model, "cam")
    whole = model(case.inputs).gather(1, case.targets[:, None])[:, 0]
    black = model(torch.zeros_like(case.inputs)).gather(1, case.targets[:, None])[:, 0]
    expected = completeness_gap(case.maps, whole - black)
    metric = metrics.parse("completeness:score=logit,baseline=zeros")
    assert_same(metric(case).values, expected)
    tight = metrics.parse("completeness:tolerance=0")(case)
    assert float(tight.extras["complete"].sum()) == 0


def test_completeness_by_hand():
    maps = float64([[[1, 2], [3, 4]], [[0, 0], [0, 0]], [[1, 0], [0, 0]]])
    assert completeness_gap(maps, float64([8, 0, 0])).tolist() == [0.25, 0.0, math.inf]


def test_sensitivity_by_hand():
    changes = float64([[1.0, -0.5, 0.01, 0.0], [0, 0, 0, 0]])
    maps = torch.zeros(2, 4, 4)
    maps[0, 0, 1] = -1.0
    found = sensitivity_share(maps, changes, 0.05)
    assert float(found[0]) == 0.5
    assert math.isnan(float(found[1]))


@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_patches_cover_every_pixel_once(side):
    seen = torch.zeros(1, 8, 6)
    for patch in patches((8, 6), side):
        seen[patch] += 1
    assert bool((seen == 1).all())


class Corner(nn.Module):
    """Sees the upper left quarter alone."""

    def forward(self, x):
        seen = x[:, :, :4, :3].square().sum((1, 2, 3))
        return torch.stack([seen, -seen], 1)


def test_a_map_that_is_silent_where_it_matters():
    quarter = torch.zeros(3, 8, 6, dtype=torch.float64)
    quarter[:, :4, :3] = 1
    for maps, share in [(quarter, 1.0), (1 - quarter, 0.0)]:
        case = case_of(Corner(), maps=maps, targets=torch.zeros(3, dtype=torch.int64))
        assert metrics.parse("sensitivity:side=2")(case).values.tolist() == [share] * 3
    case.judge.forget()
    before = case.judge.passes
    metrics.parse("sensitivity:side=2")(case)
    assert case.judge.passes - before == 3 * (4 + 1)


# --- weights drawn anew -------------------------------------------------------------------------


def changed_layers(model, other):
    pairs = zip(model.state_dict().items(), other.state_dict().values(), strict=True)
    return {name.rpartition(".")[0] for (name, a), b in pairs if not torch.equal(a, b)}


@pytest.mark.parametrize("how", ["reset", "permute"])
def test_layers_are_drawn_anew_from_the_output_down(how):
    model, names = network(), ["fc", "features.2", "features.0"]
    before = state(model)
    assert layers_of(model) == names
    down = [
        (name, share, changed_layers(model, m)) for name, share, m in randomised(model, how=how)
    ]
    assert down == [(name, (k + 1) / 3, set(names[: k + 1])) for k, name in enumerate(names)]
    alone = randomised(model, order="independent", how=how)
    assert [changed_layers(model, m) for _, _, m in alone] == [{name} for name in names]
    assert same_weights(model, before)
    last = [state(m) for _, _, m in randomised(model, how=how, stages=1)]
    again = [state(m) for _, _, m in randomised(model, how=how, stages=1)]
    other = [state(m) for _, _, m in randomised(model, how=how, stages=1, seed=1)]
    assert torch.equal(last[0]["fc.weight"], again[0]["fc.weight"])
    assert not torch.equal(last[0]["fc.weight"], other[0]["fc.weight"])


def test_permuting_keeps_the_values():
    layer = nn.Linear(5, 3)
    before, random = layer.weight.detach().clone(), torch.random.get_rng_state()
    randomise(layer, how="permute")
    assert torch.equal(torch.random.get_rng_state(), random)
    assert torch.equal(before.flatten().sort().values, layer.weight.flatten().sort().values)
    assert not torch.equal(before, layer.weight)


def test_a_head_without_a_reset_is_permuted():
    model = headed("cape")
    _, _, first = next(randomised(model))
    assert not torch.equal(first.head.weight, model.head.weight)


def test_stages_are_spread_evenly():
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(9)))
    assert [share for _, share, _ in randomised(model, stages=3)] == [3 / 9, 6 / 9, 1.0]
    assert len(list(randomised(model, stages=50))) == 9
    with pytest.raises(SettingError, match="stages"):
        next(randomised(model, stages=0))
    with pytest.raises(ModelError, match="no parameters"):
        next(randomised(nn.ReLU()))


@pytest.mark.parametrize("similarity", ["spearman", "spearman-abs", "ssim"])
def test_the_sanity_check_tells_maps_that_read_the_network(similarity):
    model = network()
    before = state(model)
    metric = metrics.parse(f"sanity-check:stages=3,similarity={similarity}")
    reads = metric(explained_case(model, "cam"))
    blind = metric(explained_case(model, "centre"))
    assert reads.curves["similarity"].shape == (3, 3)
    assert reads.levels == (1 / 3, 2 / 3, 1.0)
    assert metric.reduce([blind])["value"] == pytest.approx(1.0)
    answer = metric.reduce([reads])
    assert answer["value"] < 0.9
    assert answer["last"] == pytest.approx(float(reads.curves["similarity"][:, -1].nanmean()))
    assert same_weights(model, before)


def test_the_targets_stay():
    seen = []

    def explained(model, inputs, targets):
        seen.append(targets.tolist())
        return maps_of(3, 4, 3, seed=len(seen))

    case = replace(case_of(maps=maps_of(3, 4, 3)), model=network(), on_model=explained)
    metrics.parse("sanity-check:order=independent,stages=3")(case)
    assert seen == [case.targets.tolist()] * 3
