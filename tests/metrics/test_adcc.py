"""Coherency, complexity, ADCC: replicas, hand examples, the edge cases of the authors' code."""

import math

import pytest
import torch

from metric_cases import Constant, case_of, maps_of, network, uniform
from regionwise import explain
from regionwise.errors import InputError
from regionwise.metrics.adcc import ADCC, adcc, adcc_code
from regionwise.metrics.catalog import metrics
from regionwise.metrics.coherency import Coherency, coherency, correlation
from regionwise.metrics.complexity import complexity
from replicas import metrics_confidence as replica
from samples import assert_same, float64


def again_with(model):
    """Explain other inputs with Grad-CAM on the same network."""

    def again(inputs, targets):
        return explain(model, inputs, "grad-cam", targets, layer="features").saliency()[:, 0]

    return again


@pytest.fixture
def case():
    model = network()
    empty = case_of()
    saliency = again_with(model)(empty.inputs, empty.targets)
    return case_of(saliency=saliency, again=again_with(model))


def parts_of(case, n):
    """coh, com, AD of one image, by the replica."""
    inputs, plane, target = case.inputs[n], case.saliency[n], int(case.targets[n])
    kept = replica.mixed(inputs, plane.numpy(), torch.zeros_like(inputs).numpy())
    again = case.again(kept[None], torch.tensor([target]))[0]
    y, o = replica.before_and_after(network(), inputs, plane, target)
    return (
        replica.coherency(plane, again),
        replica.complexity(plane),
        replica.average_drop(y, o),
    )


def test_replica(case):
    parts = [parts_of(case, n) for n in range(len(case))]
    assert_same(Coherency()(case).values, [p[0] for p in parts])
    assert_same(metrics.parse("complexity")(case).values, [p[1] for p in parts])
    found = ADCC()(case)
    assert_same(found.values, [replica.adcc(*p) for p in parts])
    assert float(found.values.max()) > 0.3
    whole = ADCC().reduce([found])
    assert whole["value"] == pytest.approx(float(found.values.mean()))
    means = [sum(column) / len(parts) for column in zip(*parts, strict=True)]
    of_means = ADCC(variant="of-means").reduce([found])
    assert of_means["value"] == pytest.approx(replica.adcc(*means))
    assert of_means["value"] != pytest.approx(whole["value"])
    assert [of_means[k] for k in ("coherency", "complexity", "average-drop")] == pytest.approx(
        means
    )


def test_the_code_takes_the_predicted_class(case):
    predicted = case.logits().argmax(1)
    assert (predicted != case.targets).any()
    found = ADCC(variant="code")(case)
    for n in range(len(case)):
        inputs, plane = case.inputs[n], case.saliency[n]
        kept = replica.mixed(inputs, plane.numpy(), torch.zeros_like(inputs).numpy())
        again = case.again(kept[None], predicted[n : n + 1])[0]
        y = max(replica.softmax(replica.forward_one(network(), inputs)))
        o = replica.score_of(network(), kept, int(case.targets[n]), "probability")
        parts = replica.coherency(plane, again), replica.complexity(plane), (y - o) / y
        assert float(found.values[n]) == pytest.approx(replica.adcc_as_published(*parts))


def test_adcc_by_hand():
    assert float(adcc(float64(0.5), float64(0.5), float64(0.5))) == pytest.approx(0.5)
    assert float(adcc(float64(1.0), float64(0.0), float64(0.0))) == pytest.approx(1)
    assert float(adcc(float64(0.5), float64(0.0), float64(0.0))) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("coh", "com", "drop"), [(0.0, 0.3, 0.2), (0.5, 1.0, 0.2), (0.5, 0.3, 1.0), (0.0, 1.0, 0.1)]
)
def test_where_a_part_is_zero(coh, com, drop):
    parts = [float64([value]) for value in (coh, com, drop)]
    assert adcc(*parts).tolist() == [0]
    try:
        published = replica.adcc_as_published(coh, com, drop)
    except ZeroDivisionError:
        published = math.nan
    torch.testing.assert_close(adcc_code(*parts), float64([published]), equal_nan=True)


def test_the_scales_of_coherency():
    first = maps_of(1)
    rho = float(correlation(first, 1 - first))
    assert rho == pytest.approx(-1)
    assert coherency(first, first).tolist() == pytest.approx([1])
    assert coherency(first, 1 - first).tolist() == pytest.approx([0])
    assert coherency(first, first, scale="printed").tolist() == pytest.approx([3])
    assert coherency(first, 1 - first, scale="printed").tolist() == pytest.approx([-1])
    assert coherency(first, first, scale="third-party").tolist() == pytest.approx([1.5])


def test_a_constant_map_has_no_coherency():
    assert correlation(maps_of(2), uniform(0.5, 2)).isnan().all()
    assert coherency(maps_of(2), uniform(0.5, 2)).tolist() == [0, 0]
    assert not correlation(maps_of(2), maps_of(2, seed=9) * 1e-12).isnan().any()


def test_the_whole_image():
    case = case_of(saliency=uniform(1.0), again=lambda x, _: maps_of(len(x)))
    assert complexity(case.saliency).tolist() == [1, 1, 1]
    assert ADCC()(case).values.tolist() == [0, 0, 0]


def test_a_constant_network_and_a_map_that_stays():
    saliency = maps_of()
    case = case_of(Constant(), saliency=saliency, again=lambda *_: saliency)
    expected = 3 / (1 + 1 / (1 - complexity(saliency)) + 1)
    assert_same(ADCC()(case).values, expected)


def test_a_map_is_explained_again_only_once(case):
    calls = []

    def again(inputs, targets):
        calls.append(targets)
        return case.again(inputs, targets)

    counted = case_of(saliency=case.saliency, again=again)
    for name in ("coherency", "adcc", "adcc:variant=of-means", "coherency:scale=printed"):
        metrics.parse(name)(counted)
    assert len(calls) == 1
    metrics.parse("adcc:variant=code")(counted)
    assert len(calls) == 2
    metrics.parse("coherency:fill=blur")(counted)
    assert len(calls) == 3


def test_coherency_needs_the_method():
    with pytest.raises(InputError, match="explains other inputs"):
        Coherency()(case_of())
