"""The checks of an audit, held against the metrics that they ask, on small networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from nets import PooledNet, seeded
from regionwise.apps.audit_bench import Bench, Effort, chance_of, curves_of
from regionwise.apps.audit_checks import (
    agreement_of,
    blank_of,
    checked,
    claim_of,
    coinciding,
    grain_of,
    protocols_of,
    sanity_of,
    total_of,
    under_noise,
)
from regionwise.apps.audit_run import default_methods
from regionwise.apps.audit_subject import open_subject
from regionwise.attribution.asked import as_recipes
from regionwise.attribution.catalog import methods
from regionwise.attribution.explain import explain_all
from regionwise.errors import ModelError, TargetError
from regionwise.heads.cape import Cape
from regionwise.metrics.case import Case
from regionwise.metrics.catalog import metrics
from regionwise.metrics.judge import Judge
from regionwise.models.adapters import Adapted
from regionwise.models.classifier import Classifier
from regionwise.models.preprocessing import Preprocessing

HOW = Preprocessing(size=(16, 24), resize=None)
EFFORT = Effort(steps=3, orders=4, patches=2, stages=2, draws=2, copies=2, masks=8)


@pytest.fixture(scope="module")
def picture():
    pixels = np.random.default_rng(3).integers(0, 256, (4, 6, 3), np.uint8)
    return Image.fromarray(pixels).resize((24, 16), Image.Resampling.BICUBIC)


def pooled():
    return seeded(PooledNet, seed=11, dtype=torch.float32)


def caped():
    torch.manual_seed(1)
    return nn.Sequential(pooled().features, Cape(6, 4)).eval()


def bench_of(module, picture, seed=0, **named):
    classifier = module if isinstance(module, Classifier) else Classifier(module, HOW)
    given = {"target": None, "against": None, "layer": None} | named
    subject = open_subject(classifier, picture, **given)
    return Bench(subject, Judge(subject.classifier), EFFORT, seed)


@pytest.fixture
def bench(picture):
    return bench_of(pooled(), picture)


def explained(bench, *names):
    recipes = as_recipes(list(names))
    subject = bench.subject
    maps = explain_all(subject.classifier, subject.inputs, [*recipes.values()], subject.targets)
    return recipes, maps


# --- the subject ---------------------------------------------------------------------------------


def test_the_network_is_asked_once_for_classes_layer_and_head(picture):
    subject = bench_of(pooled(), picture).subject
    with torch.no_grad():
        logits = subject.classifier.module(subject.inputs)[0]
    order = logits.argsort(descending=True).tolist()
    assert [one.index for one in subject.top] == order
    assert (subject.target.index, subject.against.index) == tuple(order[:2])
    assert subject.target.probability == pytest.approx(float(logits.softmax(0).max()), abs=1e-6)
    assert (subject.head, subject.channels) == ("pooled", 6)
    assert subject.classifier.layer == "features"
    assert subject.image.shape == (16, 24, 3)
    assert bench_of(caped(), picture).subject.head == "cape"


def test_what_is_named_is_taken_and_the_best_of_the_others(picture):
    order = [one.index for one in bench_of(pooled(), picture).subject.top]
    for named, pair in (
        ({"target": str(order[2])}, (order[2], order[0])),
        ({"against": str(order[0])}, (order[1], order[0])),
        ({"target": "top-1", "against": str(order[3])}, (order[0], order[3])),
    ):
        subject = bench_of(pooled(), picture, **named).subject
        assert (subject.target.index, subject.against.index) == pair
    with pytest.raises(TargetError, match="against itself"):
        bench_of(pooled(), picture, target="2", against="2")
    with pytest.raises(TargetError, match="of one class"):
        bench_of(pooled(), picture, target="top-2")


def test_a_regression_has_no_probability_to_audit(picture):
    with pytest.raises(ModelError, match="a regression gives none"):
        bench_of(Classifier(Adapted(pooled(), "regression"), HOW), picture)
    labels = bench_of(Classifier(Adapted(pooled(), "multi-label"), HOW), picture).subject
    assert not labels.exclusive


def test_methods_suit_the_network(picture):
    assert default_methods(bench_of(pooled(), picture)) == (
        "cam",
        "layer-cam",
        "score-cam",
        "centre",
    )
    wide = bench_of(caped(), picture)
    narrow = replace(wide, effort=replace(EFFORT, masks=5))
    assert default_methods(narrow) == ("cape", "grad-cam", "layer-cam", "centre")


# --- curves and chance ---------------------------------------------------------------------------


def test_curves_are_those_of_the_metrics(bench):
    _, maps = explained(bench, "layer-cam")
    saliency = maps["layer-cam"].saliency()[:, 0]
    found = curves_of(bench, saliency)
    case = Case(
        inputs=bench.subject.inputs,
        saliency=saliency,
        targets=bench.subject.targets,
        judge=Judge(bench.subject.classifier),
    )
    for name in ("deletion", "insertion"):
        values = metrics.parse(f"{name}:steps=3")(case)
        assert getattr(found, name).area == pytest.approx(float(values.values[0]), abs=1e-9)
        assert getattr(found, name).levels == values.levels
    assert found.deletion.scores[0] == pytest.approx(bench.subject.target.probability, abs=1e-6)


@pytest.mark.parametrize("grain", ["cells", "pixels"])
def test_random_orders_come_from_the_seed(bench, grain):
    first = chance_of(bench, grain)
    assert len({curve.area for curve in first.deletion}) == 4
    assert chance_of(bench, grain) == first
    other = chance_of(replace(bench, seed=4), grain)
    assert {c.area for c in other.deletion}.isdisjoint({c.area for c in first.deletion})


def test_pixel_maps_are_held_against_pixels():
    asked = as_recipes(["cam", "gradient", "integrated-gradients", "occlusion", "centre"])
    assert [grain_of(recipe) for recipe in asked.values()] == [
        "cells",
        "pixels",
        "pixels",
        "cells",
        "cells",
    ]


# --- completeness --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "claim"),
    [
        ("cape", "completeness"),
        ("cape:head=off-the-shelf", "completeness"),
        ("calm:quantity=posterior", None),
        ("integrated-gradients", "completeness:baseline=zeros,score=logit"),
        ("integrated-gradients:steps=3,rule=right", "completeness:baseline=zeros,score=logit"),
        ("integrated-gradients:reduce=max-abs", None),
        ("integrated-gradients:baseline=1", None),
        ("input-x-gradient", "completeness:baseline=zeros,score=logit"),
        ("gradient", None),
        ("cam", None),
    ],
)
def test_what_methods_claim_to_add_up_to(method, claim):
    (recipe,) = as_recipes([method]).values()
    assert claim_of(recipe) == claim


def test_integrated_gradients_add_up_and_few_steps_less(bench):
    names = "integrated-gradients", "integrated-gradients:steps=1,rule=right", "cam"
    recipes, maps = explained(bench, *names)
    totals = [total_of(bench, recipe, maps[name]) for name, recipe in recipes.items()]
    assert totals[2] is None
    assert totals[0].gap < totals[1].gap
    both = torch.cat([bench.subject.inputs, torch.zeros_like(bench.subject.inputs)])
    x, zero = bench.judge.logits(both)[:, bench.subject.target.index].tolist()
    assert totals[0].value == pytest.approx(x - zero, rel=0.05)


def test_a_cape_head_adds_up_and_a_head_that_is_re_read_does_not(picture):
    bench = bench_of(caped(), picture)
    recipes, maps = explained(bench, "cape")
    total = total_of(bench, recipes["cape"], maps["cape"])
    assert total.complete
    assert total.value == pytest.approx(bench.subject.target.probability, abs=1e-6)
    vanilla = bench_of(pooled(), picture)
    recipes, maps = explained(vanilla, "cape:head=off-the-shelf")
    (name,) = recipes
    assert not total_of(vanilla, recipes[name], maps[name]).complete


# --- drawn weights, noise, agreement -------------------------------------------------------------


def test_a_control_stays_when_the_weights_are_drawn_anew(bench):
    recipes, maps = explained(bench, "cam", "centre")
    _, noisy = under_noise(bench, recipes, maps)
    cam, centre = (checked(bench, r, maps[n], noisy) for n, r in recipes.items())
    assert centre.control
    assert not cam.control
    assert centre.redrawn.similarity == (pytest.approx((1.0, 1.0)),) * 2
    assert centre.noisy == pytest.approx((1.0, 1.0))
    assert cam.redrawn.shares[-1] == 1.0
    assert all(max(row) < 0.999 for row in cam.redrawn.similarity)


def test_costly_methods_explain_once_more_or_not_at_all(bench):
    (score_cam, rise) = as_recipes(["score-cam", "rise"]).values()
    assert [metric.id for metric in sanity_of(bench, score_cam)] == ["sanity-check:stages=1"]
    assert sanity_of(bench, rise) == ()
    narrow = replace(bench, effort=replace(EFFORT, masks=5))
    assert sanity_of(narrow, score_cam) == ()
    thorough = replace(bench, effort=replace(EFFORT, again=True))
    assert len(sanity_of(thorough, rise)) == 2
    recipes, maps = explained(bench, "score-cam")
    noise, noisy = under_noise(bench, recipes, maps)
    assert noisy == {}
    assert len(noise.probabilities) == 2
    found = checked(bench, recipes["score-cam"], maps["score-cam"], noisy)
    cost = "(K + 1) F, with budget=B (B + 1) F"
    assert found.missing == {"noise": f"a map costs {cost}; a thorough audit runs it"}
    assert len(found.redrawn.similarity) == 1


def test_noise_comes_from_the_seed_and_is_small(bench):
    recipes, maps = explained(bench, "layer-cam")
    first, kept = under_noise(bench, recipes, maps)
    assert under_noise(bench, recipes, maps) == (first, kept)
    assert under_noise(replace(bench, seed=1), recipes, maps)[0] != first
    assert all(0.5 < value < 1 for value in kept["layer-cam"])
    assert np.ptp(first.probabilities) > 0


def test_agreement_is_symmetric_and_one_with_itself(bench):
    _, maps = explained(bench, "cam", "layer-cam", "centre")
    table = np.array(agreement_of(maps))
    assert np.allclose(table, table.T)
    assert np.allclose(np.diag(table), 1)
    assert (np.abs(table[np.triu_indices(3, 1)]) < 0.999).all()


def test_cam_and_grad_cam_are_one_map_of_a_pooled_head(bench):
    """The one is signed, the other is cut at zero: ranks alone do not show it."""
    _, maps = explained(bench, "cam", "grad-cam", "layer-cam", "centre")
    assert coinciding(maps) == (("cam", "grad-cam"),)


def test_of_a_blank_map_nothing_is_asked(bench):
    recipes, maps = explained(bench, "layer-cam")
    blank = replace(maps["layer-cam"], flags=((("zero gradient",),),))
    found = checked(bench, recipes["layer-cam"], blank, {})
    assert found.blank == ("zero gradient",)
    assert found.curves is None
    assert bench.judge.passes == 0


def test_a_signed_map_that_speaks_against_only_is_not_blank(bench):
    _, maps = explained(bench, "layer-cam")
    flagged = replace(maps["layer-cam"], flags=((("no positive evidence",),),))
    assert blank_of(flagged) == ("no positive evidence",)
    assert blank_of(replace(flagged, signed=True)) == ()


def test_what_a_check_refuses_is_told_and_the_others_run(bench, monkeypatch):
    recipes, maps = explained(bench, "cam")

    def refuse(*_):
        raise ModelError("the logits\nare not finite")

    monkeypatch.setattr("regionwise.apps.audit_checks._redrawn", refuse)
    found = checked(bench, recipes["cam"], maps["cam"], {})
    assert found.missing["weights drawn anew"] == "the logits are not finite"
    assert found.redrawn is None
    assert found.curves is not None


def test_the_network_is_left_as_it_was(bench):
    module = bench.subject.classifier.module
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    recipes, maps = explained(bench, "cam", "score-cam")
    _, noisy = under_noise(bench, recipes, maps)
    for name, recipe in recipes.items():
        checked(bench, recipe, maps[name], noisy)
    assert all(torch.equal(before[name], now) for name, now in module.state_dict().items())
    assert not module.training


def test_every_metric_that_is_asked_has_its_protocol_told(picture):
    bench = bench_of(caped(), picture)
    recipes = as_recipes(["grad-cam", "integrated-gradients"])
    assert protocols_of(bench, recipes) == (
        "completeness:baseline=zeros,score=logit",
        "completeness",
        "deletion:steps=3",
        "insertion:steps=3",
        "sensitivity:side=2",
        "sanity-check:stages=2",
        "sanity-check:seed=1,stages=2",
        "sanity-check:stages=1",
    )


def test_controls_are_known_by_their_cards():
    controls = [c.name for c in methods.cards() if c.reference.startswith("control")]
    assert controls == ["random", "centre", "edges"]
