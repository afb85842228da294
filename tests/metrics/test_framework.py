"""Cards, cases, the judge, and values that are put together."""

import json
import math
import subprocess
import sys
from dataclasses import fields

import pytest
import torch
from jaxtyping import TypeCheckError
from torch import nn

from footprint import assert_untouched, snapshot
from metric_cases import Mean, case_of, judge, maps_of, network, pixels
from regionwise.errors import InputError, ModelError, SettingError, TargetError
from regionwise.metrics import judge as judging
from regionwise.metrics.case import PARTS, Case, Truth
from regionwise.metrics.catalog import metrics
from regionwise.metrics.judge import Judge
from regionwise.metrics.recipe import Metric, Values, joined
from regionwise.models.adapters import Adapted
from regionwise.registry import named
from samples import float64


@pytest.mark.parametrize("card", metrics.cards(), ids=lambda card: card.name)
def test_a_card_says_what_its_recipe_does(card):
    recipe = card.load()
    assert issubclass(recipe, Metric)
    assert recipe.name == card.name
    assert recipe().id == card.name
    assert recipe().card is card
    assert card.needs <= set(PARTS)
    assert callable(named(card.reducer))
    assert not card.across or callable(named(card.across))
    assert card.direction in {"higher", "lower", "none"}
    assert card.settings().keys() == {field.name for field in fields(recipe)}


def test_the_catalog_is_light():
    program = (
        "import sys, json; import regionwise.metrics.catalog;"
        "print(json.dumps('torch' in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) is False


def test_a_name_with_settings_is_parsed_and_named():
    metric = metrics.parse("average-drop:score=logit,keep=top-half,fill=mean")
    assert metric.id == "average-drop:keep=top-half,score=logit"
    with pytest.raises(SettingError, match="average-drop"):
        metrics.parse("averge-drop")
    with pytest.raises((SettingError, TypeCheckError), match="odds"):
        metrics.parse("average-drop:score=odds")
    with pytest.raises(SettingError, match="at least 1"):
        metrics.parse("deletion:steps=0")
    with pytest.raises(SettingError, match="exists already"):
        metrics.add(metrics.card("win"))


@pytest.mark.parametrize("card", metrics.cards(), ids=lambda card: card.name)
def test_what_a_card_needs_is_asked_for(card):
    if not card.needs:
        return
    bare = Case(inputs=pixels(), saliency=maps_of(), targets=torch.tensor([0, 1, 0]))
    with pytest.raises(InputError, match="this metric needs"):
        card.load()()(bare)


def test_saliency_that_does_not_fit_is_refused():
    with pytest.raises((InputError, TypeCheckError)):  # the tests check shapes before we do
        case_of(saliency=maps_of(3, 8, 8))
    with pytest.raises(InputError, match=r"lie in \[0, 1\]"):
        case_of(saliency=maps_of() * 2)
    with pytest.raises(InputError, match=r"lie in \[0, 1\]"):
        case_of(saliency=maps_of() * math.nan)


def test_truth_is_found_through_the_case():
    truth = Truth(regions=maps_of() > 0.5)
    assert case_of(truth=truth).need("regions") is truth.regions
    with pytest.raises(InputError, match="boxes"):
        case_of(truth=truth).need("boxes")


def test_chunks_change_nothing():
    inputs = pixels(7)
    whole = Judge(network(), chunk=7).logits(inputs)
    for chunk in (1, 2, 3):
        torch.testing.assert_close(Judge(network(), chunk=chunk).logits(inputs), whole)


def test_the_judge_counts_and_remembers():
    shared, made = judge(), []

    def make():
        made.append(1)
        return pixels(2)

    first = shared.under("a", make)
    assert shared.under("a", make) is first
    assert (shared.passes, len(made)) == (2, 1)
    shared.forget()
    shared.under("a", make)
    assert (shared.passes, len(made)) == (4, 2)


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(judging, "REMEMBERED", 17)  # two answers of 2 x 4 logits
    shared = judge()
    for key in ("a", "b", "a", "c", "a"):
        shared.under(key, lambda: pixels(2))
    assert shared.passes == 2 * 3
    shared.under("b", lambda: pixels(2))
    assert shared.passes == 2 * 4


def test_cases_are_told_apart_by_their_values():
    case, same = case_of(), case_of()
    assert (case.inputs_key, case.saliency_key) == (same.inputs_key, same.saliency_key)
    other = case_of(saliency=maps_of(seed=5))
    assert case.inputs_key == other.inputs_key
    assert case.saliency_key != other.saliency_key
    assert case_of(inputs=pixels().float()).inputs_key != case.inputs_key


def test_the_judge_gives_its_network_back():
    model = network()
    model.train()
    model.features.eval()
    before = snapshot(model)
    Judge(model).logits(pixels())
    assert_untouched(before, model)


def test_what_the_judge_refuses():
    with pytest.raises(TargetError, match="classes 0 to 3"):
        case_of(targets=torch.tensor([0, 1, 4])).scores(case_of().logits(), "logit")
    with pytest.raises(InputError, match="NaN"):
        judge().logits(pixels() * math.nan)
    value = Judge(Adapted(nn.Sequential(Mean(), nn.Linear(2, 1).double()), "regression"))
    with pytest.raises(ModelError, match="regression"):
        value.scores(value.logits(pixels()), torch.tensor([0, 0, 0]), "probability")
    assert value.scores(value.logits(pixels()), torch.tensor([0, 0, 0]), "logit").shape == (3,)


def test_values_are_joined():
    first = Values(float64([1.0]), {"score": float64([[1.0, 2.0]])}, (0.0, 1.0))
    second = Values(float64([3.0, math.nan]), {"score": float64([[3, 4], [5, 6]])}, (0.0, 1.0))
    both = joined([first, second])
    assert len(both) == 3
    assert both.curves["score"].tolist() == [[1, 2], [3, 4], [5, 6]]
    answer = metrics.parse("complexity").reduce([first, second])
    assert answer == {"value": 2.0, "undefined": pytest.approx(1 / 3)}
    with pytest.raises(InputError, match="different"):
        joined([first, Values(float64([1.0]))])
    with pytest.raises(InputError, match="no values"):
        joined([])
    assert math.isnan(metrics.parse("complexity").reduce([Values(float64([math.nan]))])["value"])
