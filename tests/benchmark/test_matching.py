"""Judges at matched confidence: the temperature, the judge, the plan and the rows."""

import json
import math

import numpy as np
import pytest
import torch
from torch import nn

from metric_cases import Mean, judge, pixels
from regionwise.benchmark.matching import mean_confidence, sample_logits, temperature_for
from regionwise.benchmark.preparing import protocols_of
from regionwise.benchmark.recipe import matched_to
from regionwise.benchmark.run import run_plan
from regionwise.benchmark.summary import summarise
from regionwise.benchmark.tables import markdown
from regionwise.data.images import open_image
from regionwise.errors import ModelError, SettingError
from regionwise.metrics.judge import Judge
from regionwise.models.adapters import Adapted
from replicas.common import softmax
from samples import assert_same, float64


def drawn(seed=0, n=40, y=5, scale=3.0):
    return (
        torch.randn(n, y, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        * scale
    )


def test_by_hand():
    """Of two classes with logits a and 0 the larger probability is 1 / (1 + exp(-a / T))."""
    assert temperature_for(float64([[2.0, 0.0], [0.0, 2.0]]), 0.75) == pytest.approx(
        2 / math.log(3), rel=1e-5
    )
    assert mean_confidence(float64([[math.log(3), 0.0], [0.0, 0.0]])) == pytest.approx(0.625)


@pytest.mark.parametrize("reference", [0.25, 0.5, 0.9, 0.999])
def test_replica(reference):
    """The mean of the largest probabilities, image by image, is the one that was wanted."""
    logits = drawn()
    t = temperature_for(logits, reference)
    found = np.mean([max(softmax([z / t for z in row])) for row in logits.tolist()])
    assert found == pytest.approx(reference, abs=1e-5)
    assert t == float(f"{t:.6g}"), "six digits"


def test_log_probabilities_are_tempered_as_logits_are():
    logits = drawn()
    assert temperature_for(logits.log_softmax(dim=1), 0.6) == temperature_for(logits, 0.6)
    assert temperature_for(logits, mean_confidence(logits)) == 1.0


@pytest.mark.parametrize(("logits", "reference"), [(drawn(), 0.2), (torch.zeros(3, 4), 0.5)])
def test_what_cannot_be_reached(logits, reference):
    with pytest.raises(SettingError, match="cannot be matched"):
        temperature_for(logits, reference)


def test_a_tempered_judge_divides_and_asks_no_network_again():
    own = judge()
    half = own.tempered(2.0)
    logits = own.under("a", pixels)
    assert_same(half.under("a", pixels), logits / 2)
    assert (own.passes, half.passes) == (3, 0)
    assert_same(half.under("b", lambda: pixels(2)), judge().logits(pixels(2)) / 2)
    assert_same(own.under("b", lambda: pixels(2)), judge().logits(pixels(2)))
    assert (own.passes, half.passes) == (3, 2)
    assert_same(half.logits(pixels()), logits / 2)
    assert_same(half.tempered(3.0).logits(pixels()), logits / 6)
    targets = torch.tensor([0, 1, 2])
    chances = half.scores(half.under("a", pixels), targets, "probability")
    rows = [softmax([z / 2 for z in row]) for row in logits.tolist()]
    assert_same(chances, [rows[n][n] for n in range(3)])
    assert torch.equal(half.logits(pixels()).argmax(1), logits.argmax(1))


def test_a_judge_without_a_softmax_has_no_temper():
    value = Judge(Adapted(nn.Sequential(Mean(), nn.Linear(2, 1).double()), "regression"))
    with pytest.raises(ModelError, match="softmax"):
        value.tempered(2.0)
    with pytest.raises(SettingError, match="above 0"):
        judge().tempered(0.0)


@pytest.mark.parametrize(
    ("name", "wanted"), [("own", None), ("matched:0.5", 0.5), ("matched:a.py:net", "a.py:net")]
)
def test_what_a_judge_is_matched_to(name, wanted):
    assert matched_to(name) == wanted


@pytest.mark.parametrize(
    "name", ["matched:", "matched:1", "matched:0", "matched:-2", "matched:inf"]
)
def test_no_confidence(recipe, name):
    with pytest.raises(SettingError, match="names no confidence"):
        recipe(judges=["own", name])


CHANGES = {
    "methods": [{"use": ["cam", "random"]}],
    "metrics": [{"use": ["confidence", "average-drop", "drop-in-logit:of=target", "area"]}],
}


@pytest.fixture(scope="module")
def made():
    """A folder that is done; made once."""
    return {}


@pytest.fixture
def done(made, planned, told, tmp_path_factory, networks):
    if not made:
        out = tmp_path_factory.mktemp("bench") / "out"
        judges = ["own", "matched:0.6", f"matched:{networks}:other"]
        plan, context = planned(**CHANGES, judges=judges)
        run_plan(plan, context, out, told.opened)
        made.update(out=out, plan=plan, context=context, summary=summarise(out), judges=judges)
    return made


def answer(done, judge_, metric):
    (found,) = [
        a
        for a in done["summary"].answers
        if (a.table.judge, a.table.metric, a.method) == (judge_, metric, "cam")
    ]
    return found


def test_rows_are_of_the_confidence_that_was_wanted(done, networks):
    """The six pictures are the sample, and the class explained is the predicted one."""
    own, at, other = done["judges"]
    assert answer(done, at, "confidence").value == pytest.approx(0.6, abs=1e-5)
    assert abs(answer(done, own, "confidence").value - 0.6) > 0.01
    data = done["context"].data
    reference = mean_confidence(
        sample_logits(Judge(done["context"].model(f"{networks}:other")), data, 0)
    )
    assert answer(done, other, "confidence").value == pytest.approx(reference, abs=1e-5)
    drops = [answer(done, name, "average-drop").value for name in done["judges"]]
    assert len({round(drop, 6) for drop in drops}) == 3
    t = done["context"].matched(at, done["plan"].models[0].source).temperature
    logit = "drop-in-logit:of=target"
    assert answer(done, at, logit).value * t == pytest.approx(
        answer(done, own, logit).value, rel=1e-4
    )


def test_the_plan_the_protocols_and_the_tables_say_how(done):
    at = done["judges"][1]
    plan = json.loads((done["out"] / "plan.json").read_text())
    how = plan["models"][0]["record"]["matched"][at]
    assert how["reference"] == 0.6
    assert how["pictures"] == 6
    assert (
        how["temperature"] == done["context"].matched(at, plan["models"][0]["source"]).temperature
    )
    protocols = json.loads((done["out"] / "protocols.json").read_text())
    assert protocols[f"judge {at}"]["of"][plan["models"][0]["source"]] == how
    assert protocols_of(done["plan"])[f"judge {at}"] == protocols[f"judge {at}"]
    text = markdown(done["summary"])
    assert "judged by matched:0.6" in text
    assert "the mean largest probability over 6 pictures is 0.600" in text


def test_the_hash_depends_on_the_confidence_and_on_nothing_that_grows(planned, done):
    def hashed(**changes):
        return planned(**{**CHANGES, **changes})[0]

    plan = hashed(judges=["own", "matched:0.6"])
    assert plan.hash == hashed(judges=["own", "matched:0.6"], images=2).hash
    assert plan.hash != hashed(judges=["own", "matched:0.7"]).hash != hashed().hash
    few = hashed(judges=["own", "matched:0.6"], images=2)
    assert few.models[0].record["matched"] == plan.models[0].record["matched"]
    ids = {chunk.id for chunk in plan.chunks}
    assert not ids & {chunk.id for chunk in hashed(judges=["own", "matched:0.7"]).chunks}


def test_the_network_is_asked_once_for_both_judges(planned):
    from regionwise.benchmark.score import score_chunk  # noqa: PLC0415

    passes = []
    for judges in (["own"], ["own", "matched:0.6"]):
        plan, context = planned(**CHANGES, judges=judges)
        both = [context.judge(name, plan.models[0].source) for name in judges]
        before = sum(one.passes for one in both)
        score_chunk(plan.chunks[0], context)
        passes.append(sum(one.passes for one in both) - before)
    assert passes[0] == passes[1]


def test_the_sample_is_the_first_of_the_order(planned, monkeypatch):
    from regionwise.benchmark import matching  # noqa: PLC0415

    plan, context = planned(**CHANGES)
    model = context.model(plan.models[0].source)
    every = sample_logits(Judge(model), context.data, 0)
    monkeypatch.setattr(matching, "SAMPLE", 2)
    assert_same(sample_logits(Judge(model), context.data, 0), every[:2])
    order = [unit.name for chunk in plan.chunks for unit in chunk.units]
    inputs = model.preprocessing(open_image(context.data.picture(order[0]).path))
    assert_same(every[:1], Judge(model).logits(inputs))
