"""`regionwise layers` and `regionwise methods --on`."""

import json

import pytest


@pytest.mark.parametrize("command", ["layers", "methods"])
def test_help_names_the_options(run, command):
    shown = run(command, "--help").out
    assert all(option in shown for option in ("--weights", "--json"))


def test_the_chosen_layer_is_marked(run, models):
    shown = run("layers", f"{models}:net").out
    (line,) = [text for text in shown.splitlines() if text.strip().startswith("*")]
    assert line.split()[:3] == ["*", "1", "ReLU"]
    assert "input 32 x 32" in shown


def test_layers_as_json(run, models):
    found = json.loads(run("layers", f"{models}:net", "--json", "--size", "48").out)
    assert found["chosen"] == "1"
    assert found["size"] == [48, 48]
    first = found["layers"][0]
    assert (first["name"], first["layout"], first["channels"]) == ("0", "nchw", 8)
    assert (first["rows"], first["columns"]) == (11, 11)
    assert first["reach"] == 1.0


def test_a_network_without_maps_is_told_in_one_line(run, models):
    ended = run("layers", f"{models}:mlp")
    assert ended.code == 2
    assert "no layer with a spatial map" in ended.err
    assert ended.err.count("\n") == 1


def test_which_methods_apply_and_coincide(run, models):
    found = json.loads(run("methods", "--on", f"{models}:net", "--json").out)
    rows = {row["name"]: row for row in found["methods"]}
    assert rows["cam"]["applies"]
    assert {"xgrad-cam", "hires-cam"} <= set(rows["grad-cam"]["coincides_with"])
    assert "grad-cam (where positive)" in rows["cam"]["coincides_with"]
    assert "grad-cam" not in rows["layer-cam"]["coincides_with"]
    assert not rows["score-cam"]["measured"]
    assert rows["score-cam"]["applies"] is None
    assert found["tail"] == "replay"
    assert found["channels"] == 8


def test_a_method_that_does_not_apply_says_why(run, models):
    found = json.loads(run("methods", "--on", f"{models}:curved", "--json").out)
    rows = {row["name"]: row for row in found["methods"]}
    assert not rows["cam"]["applies"]
    assert "pooling" in rows["cam"]["reason"]
    assert rows["grad-cam"]["applies"]
    shown = run("methods", "--on", f"{models}:curved").out
    assert shown.count("no: ") == sum(row["applies"] is False for row in found["methods"])
    assert "not run (--all)" in shown
    told = " ".join(shown.split())
    assert "methods of many passes were not run: score-cam, " in told
    assert "Add --all to run them, too" in told


def test_a_card_and_a_model_do_not_go_together(run, models):
    ended = run("methods", "cam", "--on", f"{models}:net")
    assert ended.code == 2
    assert "leave 'cam' out" in ended.err
