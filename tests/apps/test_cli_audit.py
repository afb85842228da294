"""``regionwise audit``: one page for one prediction, its numbers on request, errors at the door."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from regionwise.apps import audit_run
from regionwise.apps.audit_bench import Effort
from regionwise.attribution.explain import explain
from regionwise.data.images import open_image
from regionwise.metrics.case import Case
from regionwise.metrics.catalog import metrics
from regionwise.metrics.judge import Judge
from regionwise.zoo import load_model

MORE = """
from regionwise import Adapted
from regionwise.heads.calm import Calm
from regionwise.heads.cape import Cape


def body():
    torch.manual_seed(3)
    return nn.Sequential(nn.Conv2d(3, 8, 5, 4), nn.ReLU())


def cape():
    return Classifier(nn.Sequential(body(), Cape(8, 5)), HOW, NAMES)


def calm():
    return Classifier(nn.Sequential(body(), Calm(8, 5)), HOW, NAMES)


def nameless():
    return Classifier(plain(), HOW)


def evil():
    return Classifier(plain(), HOW, ("<script>alert(1)</script>", *NAMES[1:]))


def binary():
    module = nn.Sequential(*list(plain())[:-1], nn.Linear(8, 1))
    return Classifier(Adapted(module, "binary"), HOW)


def regression():
    return Classifier(Adapted(plain(), "regression"), HOW)
"""


SMALL = Effort(steps=4, orders=19, patches=3, stages=2, draws=2, copies=2)


@pytest.fixture
def bird(tmp_path, pictures):
    return (pictures / "a.png").rename(tmp_path / "bird.png")


@pytest.fixture
def audit(run, models, bird, monkeypatch):
    """Run ``regionwise audit`` with a small network, little effort, and a quick method."""
    monkeypatch.setattr(audit_run, "QUICK", SMALL)
    models.write_text(models.read_text() + MORE)

    def command(*arguments, model="net", methods=("layer-cam",)):
        chosen = [item for method in methods for item in ("--method", method)]
        return run("audit", bird, "--model", f"nets.py:{model}", *chosen, *arguments)

    return command


def numbers(tmp_path, name="audit.json"):
    """Return the record; JSON has no NaN."""

    def refuse(text):
        raise ValueError(text)

    return json.loads((tmp_path / name).read_text(), parse_constant=refuse)


def test_a_page_and_its_answer(audit, tmp_path):
    ended = audit(methods=())
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert re.search(r"\b(passed every check|fell short in|failed in)\b", lines[0])
    titles = [re.match(r" *(?:holds|partly|fails|unknown)  ([^:]+):", x) for x in lines[1:-1]]
    assert [found.group(1) for found in titles] == [
        "The prediction",
        "Percentages",
        "The order of the pixels",
        "What was learnt",
        "Small noise",
        "Agreement",
        "Against another class",
    ]
    assert lines[-1] == "page: audit.html"
    page = (tmp_path / "audit.html").read_text()
    for name in ("cam", "layer-cam", "score-cam", "centre"):
        assert f"<strong>{name}</strong>" in page
    assert not list(tmp_path.glob("*.json"))
    assert not list(tmp_path.glob(".*"))


def test_the_numbers_are_those_of_the_metrics(audit, tmp_path, bird):
    assert audit("--json", "--target", "robin").code == 0
    record = numbers(tmp_path)
    classifier = load_model("nets.py:net")
    found = explain(classifier, bird, "layer-cam", "robin")
    assert record["target"]["index"] == 3
    assert record["target"]["probability"] == pytest.approx(float(found.probabilities[0, 0]))
    (one,) = record["methods"]
    assert np.allclose(one["map"], found.maps[0, 0])
    case = Case(
        inputs=classifier.preprocessing(open_image(bird)),
        saliency=found.saliency()[:, 0],
        targets=torch.tensor([3]),
        maps=found.maps[:, 0],
        judge=Judge(classifier),
    )
    for name in ("deletion", "insertion"):
        expected = float(metrics.parse(f"{name}:steps=4")(case).values[0])
        assert one["curves"][name]["area"] == pytest.approx(expected, abs=1e-9)
        areas = [curve["area"] for curve in record["random_orders"]["cells"][name]]
        assert len(areas) == 19
        better = sum(expected < a if name == "deletion" else expected > a for a in areas)
        verdict = next(v for v in one["verdicts"] if v["check"] == name)
        assert verdict["note"] == f"better than {better} of 19 random orders"
    assert one["patches"] == float(metrics.parse("sensitivity:side=3")(case).values[0])


@pytest.mark.parametrize("head", ["cape", "calm"])
def test_a_head_that_explains_itself_gives_exact_percentages(audit, tmp_path, head):
    ended = audit("--json", model=head)
    assert ended.code == 0, ended.err
    assert "The region percentages are exact. " in ended.out.splitlines()[0]
    record = numbers(tmp_path)
    shares = np.array(record["exact"]["contributions"])
    assert shares.shape == (2, 7, 7)
    both = record["target"]["probability"], record["against"]["class"]["probability"]
    assert np.allclose(shares.sum((1, 2)), both, atol=1e-6)
    assert record["exact"]["sum"]["complete"]
    assert np.allclose(record["against"]["map"], shares[0] - shares[1], atol=1e-6)
    page = (tmp_path / "audit.html").read_text()
    assert "<strong>the difference +" in page
    assert "regions 1-5 for the first" in page


def test_other_heads_are_said_to_give_none(audit, tmp_path):
    ended = audit("--json", methods=("integrated-gradients:steps=20", "layer-cam"))
    assert ended.code == 0, ended.err
    assert "No exact percentages: this head does not give them." in ended.out
    assert "integrated-gradients:steps=20 should add up to a change of the logit" in ended.out
    record = numbers(tmp_path)
    assert record["exact"] is None
    assert set(record["random_orders"]) == {"pixels", "cells"}
    assert record["methods"][0]["total"]["protocol"] == "completeness:baseline=zeros,score=logit"
    assert record["methods"][1]["total"] is None


def test_both_probabilities_are_told_as_the_pixels_go(audit, tmp_path):
    assert audit("--json", "--target", "0", "--against", "goldfinch").code == 0
    record = numbers(tmp_path)
    found = record["against"]
    assert (found["class"]["name"], found["method"]) == ("goldfinch", "layer-cam")
    first = found["target_under_removal"]["scores"][0], found["other_under_removal"]["scores"][0]
    by_index = {one["index"]: one["probability"] for one in record["top"]}
    assert first == pytest.approx((by_index[0], by_index[2]), abs=1e-6)
    blank = [found[f"{who}_under_removal"]["scores"][-1] for who in ("target", "other")]
    assert sum(blank) < 1


def test_the_same_seed_gives_the_same_numbers(audit, tmp_path):
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert audit("--json", "--seed", seed, "--out", f"{name}.html").code == 0, name
    first, again, other = (numbers(tmp_path, f"{name}.json") for name in "abc")
    for record in (first, again, other):
        assert record["provenance"].pop("date").endswith(" UTC")
        assert record["provenance"].pop("command").startswith("regionwise audit ")
    assert first == again
    assert first["random_orders"] != other["random_orders"]
    assert first["methods"][0]["redrawn"] != other["methods"][0]["redrawn"]
    assert first["methods"][0]["noisy"] != other["methods"][0]["noisy"]


def test_where_it_comes_from(audit, tmp_path, bird):
    assert audit("--json", "--target", "blue jay", methods=("cam:bias=true",)).code == 0
    given = numbers(tmp_path)["provenance"]
    assert given["picture"] == "bird.png"
    assert len(given["picture_sha256"]) == 64
    assert given["model"]["weights_sha256"] == load_model("nets.py:net").weights_hash()
    assert given["model"]["preprocessing"]["size"] == [32, 32]
    assert given["methods"][0]["id"] == "cam:bias=true"
    assert (given["layer"], given["seed"], given["device"]) == ("1", 0, "cpu")
    command = given["command"]
    assert "--target 'blue jay'" in command
    page = (tmp_path / "audit.html").read_text()
    for text in (given["model"]["weights_sha256"], given["picture_sha256"], "Zhou et al. 2016"):
        assert text in page


def test_networks_without_names_with_two_classes_and_with_evil_names(audit, tmp_path):
    assert "class " in audit(model="nameless").out
    assert "Against another class: " in audit(model="binary").out
    assert audit("--target", "0", model="evil").code == 0
    assert "<script" not in (tmp_path / "audit.html").read_text()


def test_controls_alone_say_nothing_of_the_network(audit):
    ended = audit(methods=("centre", "random"))
    assert ended.code == 0, ended.err
    assert ended.out.startswith("There is no map here that knows the network")
    assert "Against another class" not in ended.out


def test_a_thorough_audit_checks_costly_methods_too(audit, tmp_path, monkeypatch):
    monkeypatch.setattr(audit_run, "THOROUGH", replace(SMALL, draws=1, copies=1, again=True))
    assert audit("--thorough", "--json", methods=("score-cam",)).code == 0
    (one,) = numbers(tmp_path)["methods"]
    assert one["missing"] == {}
    assert len(one["redrawn"]["shares"]) == 2
    assert len(one["noisy"]) == 1
    assert "--thorough" in numbers(tmp_path)["provenance"]["command"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--out", "audit.pdf"), "must end in .html"),
        (("--out", "folder.html"), "is a folder"),
        (("--out", "bird.png/a.html"), "is a file, not a folder"),
        (("--method", "gradcam"), "did you mean 'grad-cam'"),
        (("--method", "cape"), "no head that explains itself"),
        (("--target", "top-2"), "an audit is of one class"),
        (("--target", "owl"), "unknown class 'owl'"),
        (("--target", 1, "--against", 1), "cannot be set against itself"),
        (("--layer", "nowhere"), "nowhere"),
        (("--device", "quantum"), "no device"),
        (("--weights", "none.pt"), "none.pt"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(audit, tmp_path, without_shape_checks, more, says):
    (tmp_path / "folder.html").mkdir()
    ended = audit(*more)
    assert ended.code == 2
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (tmp_path / "audit.html").exists()


def test_models_that_cannot_be_audited(audit, run, without_shape_checks):
    assert "brings no preprocessing" in audit(model="plain").err
    assert "a regression gives none" in audit(model="regression").err
    assert "not finite" in audit(model="nan").err
    assert "no such file" in run("audit", "nowhere.png", "--model", "nets.py:net").err.lower()


def test_a_page_that_stood_there_stays_when_the_new_one_fails(audit, tmp_path, monkeypatch):
    (tmp_path / "audit.html").write_text("old")

    def fail(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("regionwise.apps.audit_run.audit_page", fail)
    assert audit().code == 130
    assert (tmp_path / "audit.html").read_text() == "old"
    assert not list(tmp_path.glob(".*"))
