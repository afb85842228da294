"""A chunk's rows: the same as by hand, one pass for all, and errors that stay with their image."""

import shutil

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.benchmark.blocks import ERROR, VALUE
from regionwise.benchmark.judges import judge_for
from regionwise.benchmark.score import score_chunk
from regionwise.data.images import open_image
from regionwise.errors import ModelError
from regionwise.metrics.case import Case
from regionwise.metrics.catalog import metrics
from regionwise.metrics.judge import Judge
from regionwise.zoo import load_model


def values(blocks):
    return {
        (b.key.method, b.key.metric, b.key.judge, image): (float(v), t)
        for b in blocks
        if b.statistic == VALUE
        for image, t, v in zip(b.who.images, b.who.targets, b.values[:, 0], strict=True)
    }


def test_rows_are_what_one_gets_by_hand(planned):
    plan, context = planned()
    found = values(score_chunk(plan.chunks[0], context))
    classifier = context.model(plan.chunks[0].model)
    for image in {key[3] for key in found}:
        inputs = classifier.preprocessing(open_image(context.data.picture(image).path))
        target = classifier.module(inputs).argmax(dim=1)
        for method in ("grad-cam", "random"):
            saliency = explain(classifier, inputs, method, target).saliency()[:, 0]
            case = Case(inputs=inputs, saliency=saliency, targets=target, judge=Judge(classifier))
            for name, judge in (("average-drop", "own"), ("complexity", "")):
                value, explained = found[method, name, judge, image]
                assert explained == int(target)
                assert value == pytest.approx(float(metrics.parse(name)(case).values[0]), rel=1e-5)


def test_each_image_is_scored_once_for_all_metrics(planned):
    names = ["average-drop", "increase-in-confidence", "win", "average-drop:blank=lost"]
    passes = []
    for several in (names[:1], names):
        plan, context = planned(metrics=[{"use": several}])
        score_chunk(plan.chunks[0], context)
        passes.append(context.judge("own", plan.chunks[0].model).passes)
    assert passes[0] == passes[1]


def test_a_picture_that_cannot_be_read_fails_alone(planned, birds, tmp_path):
    copy = shutil.copytree(birds, tmp_path / "copy")
    plan, context = planned(data=f"birds:{copy}")
    whole = values(score_chunk(plan.chunks[0], context))
    bad = plan.chunks[0].units[1].image
    (copy / "images" / bad).write_bytes(b"no picture")
    blocks = score_chunk(plan.chunks[0], context)
    errors = [b for b in blocks if b.statistic == ERROR]
    assert {(b.who.images, b.key.method, b.key.metric) for b in errors} == {
        ((bad,), "grad-cam", ""),
        ((bad,), "random", ""),
    }
    assert "not an image" in errors[0].error
    left = values(blocks)
    assert set(left) == {key for key in whole if key[3] != bad}
    for key, (value, _) in left.items():
        assert value == pytest.approx(whole[key][0], rel=1e-5, nan_ok=True)


def test_what_cannot_be_explained_fails_alone(planned, monkeypatch):
    """A method that fails on one picture costs that row only; memory that runs out is halved."""
    from regionwise.benchmark import score  # noqa: PLC0415

    plan, context = planned()
    chunk = plan.chunks[0]
    whole = values(score_chunk(chunk, context))
    bad = chunk.units[2].image
    real, batches = score.explain_all, []
    picture = context.model(chunk.model).preprocessing(open_image(context.data.picture(bad).path))[
        0
    ]

    def fragile(classifier, inputs, recipes, targets):
        batches.append(len(inputs))
        if len(inputs) > 2:
            raise torch.OutOfMemoryError
        if any(torch.equal(x, picture) for x in inputs) and recipes[0].name == "random":
            raise ModelError("cannot be")
        if any(torch.equal(x, picture) for x in inputs) and len(recipes) > 1:
            raise ModelError("not together")
        return real(classifier, inputs, recipes, targets)

    monkeypatch.setattr(score, "explain_all", fragile)
    blocks = score_chunk(chunk, context)
    errors = [b for b in blocks if b.statistic == ERROR]
    assert [(b.who.images, b.key.method, b.error) for b in errors] == [
        ((bad,), "random", "cannot be")
    ]
    left = values(blocks)
    assert set(whole) - set(left) == {k for k in whole if k[0] == "random" and k[3] == bad}
    for key, (value, _) in left.items():
        assert value == pytest.approx(whole[key][0], rel=1e-5, nan_ok=True)
    assert max(batches) <= 4
    batches.clear()
    score_chunk(chunk, context)
    assert max(batches) <= 2, "it was forgotten how many fit"


def test_a_metric_that_cannot_answer_for_an_image_fails_for_it_alone(planned, monkeypatch):
    from regionwise.metrics.complexity import Complexity  # noqa: PLC0415

    plan, context = planned(methods=[{"use": ["random"]}], metrics=[{"use": ["complexity"]}])
    chunk, real = plan.chunks[0], Complexity.measure

    def picky(self, case):
        if len(case) > 1 or float(case.inputs.sum()) == worst:
            raise ModelError("not this one")
        return real(self, case)

    classifier = context.model(chunk.model)
    sums = {
        u.image: float(
            classifier.preprocessing(open_image(context.data.picture(u.image).path)).sum()
        )
        for u in chunk.units
    }
    worst = max(sums.values())
    monkeypatch.setattr(Complexity, "measure", picky)
    blocks = score_chunk(chunk, context)
    errors = [b for b in blocks if b.statistic == ERROR]
    assert [sums[b.who.images[0]] for b in errors] == [worst]
    assert errors[0].key.metric == "complexity"
    assert len(values(blocks)) == len(chunk.units) - 1


def test_pairs_explain_both_classes_against_the_cue(planned):
    plan, context = planned(
        methods=[{"use": ["grad-cam"]}],
        metrics=[{"use": ["cue-localisation"], "target": "pairs", "images": 3}],
    )
    (chunk,) = plan.chunks
    blocks = score_chunk(chunk, context)
    extras = {"extra:chance", "extra:pair", "extra:differing"}
    assert {b.statistic for b in blocks} == {"value", "pixels", *extras}
    (parts,) = [b for b in blocks if b.statistic == "extra:differing"]
    assert parts.values[:, 0].tolist() == [len(unit.differing) for unit in chunk.units]
    assert parts.values.min() >= 1
    (pairs,) = [b for b in blocks if b.statistic == "extra:pair"]
    for unit, target, pair in zip(chunk.units, pairs.who.targets, pairs.values, strict=True):
        assert sorted((target, unit.against)) == pair.tolist()
        assert target == context.data.picture(unit.image).label


def test_a_common_judge_is_asked_in_its_own_classes_and_colours(planned, networks):
    plan, context = planned(
        judges=["own", f"{networks}:other"], metrics=[{"use": ["average-drop", "area"]}]
    )
    blocks = score_chunk(plan.chunks[0], context)
    assert {(b.key.metric, b.key.judge) for b in blocks if b.statistic == VALUE} == {
        ("average-drop", "own"),
        ("average-drop", f"{networks}:other"),
        ("area", ""),
    }
    own, other = load_model(f"{networks}:net"), load_model(f"{networks}:other")
    judge = judge_for(own, other)
    inputs = torch.randn(2, 3, 32, 32)
    assert np.allclose(
        judge.module(inputs).detach(), other.module(inputs).flip(1).detach(), atol=1e-4
    )
