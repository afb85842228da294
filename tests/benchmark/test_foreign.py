"""Methods that are not ours in a benchmark: the same rows, errors of their own, never mixed."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from regionwise import explain
from regionwise.benchmark.blocks import ERROR, VALUE
from regionwise.benchmark.cost import cost_items, measure_cost
from regionwise.benchmark.explained import explained, recipes_of
from regionwise.benchmark.foreign import opened, with_maps
from regionwise.benchmark.reading import Rows
from regionwise.benchmark.run import run_plan
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.benchmark.score import score_chunk
from regionwise.data.images import open_image
from regionwise.errors import SettingError
from regionwise.zoo import load_model

OWN = """
import torch
from regionwise import RawMaps, Recipe

class Mine(Recipe):
    needs = {"gradients"}

    def __call__(self, probe):
        weights = probe.gradients.mean((3, 4))
        return RawMaps(torch.einsum("ntk,nkij->ntij", weights, probe.activations).relu())

def dark(model, inputs, targets):
    if bool(((inputs.mean((1, 2, 3)) - LIMIT).abs() < 1e-6).any()):
        raise ValueError("too dark")
    return inputs.mean(1)

def never(model, inputs, targets):
    raise ValueError("never")
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(OWN.replace("LIMIT", "-9"))
    return path


@pytest.fixture
def maps(birds, networks, tmp_path):
    """Write the maps of Grad-CAM of each picture's two best classes, or one for all classes."""

    def write(name, *, by_class=False):
        classifier, home = load_model(f"{networks}:net"), tmp_path / name
        for picture in read_benchmark_data(f"birds:{birds}").pictures:
            found = explain(classifier, [picture.path], "grad-cam", "top-2")
            for place in range(2 if by_class else 1):
                ending = f".{int(found.targets[0, place])}.npy" if by_class else ".npy"
                path = home / (picture.name + ending)
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, found.maps[0, place].numpy())
        return home

    return write


def numbers(blocks):
    return {
        (b.key.method, b.key.metric, image): float(value)
        for b in blocks
        if b.statistic == VALUE
        for image, value in zip(b.who.images, b.values[:, 0], strict=True)
    }


def scored(plan, context):
    return [block for chunk in plan.chunks for block in score_chunk(chunk, context)]


METRICS = ["average-drop", "top2-iou", "coherency", "complexity"]


def test_the_same_maps_have_the_same_numbers(planned, own, maps):
    use = ["grad-cam", f"{own}:Mine", f"maps:{maps('one')}", f"maps:{maps('two', by_class=True)}"]
    plan, context = planned(methods=[{"use": use}], metrics=[{"use": METRICS}], images=3)
    found = numbers(scored(plan, context))
    assert {method for method, *_ in found} == {"grad-cam", "own.py:Mine", "maps:one", "maps:two"}
    # read from a file, maps are single precision and brought to the size of the inputs
    for (method, metric, image), value in found.items():
        expected = found["grad-cam", metric, image]
        assert value == pytest.approx(expected, rel=1e-4, abs=1e-6), (method, metric)
    served = {(method, metric) for method, metric, _ in found}
    assert not {("maps:one", "coherency"), ("maps:two", "coherency")} & served
    assert ("maps:two", "top2-iou") in served
    assert ("maps:one", "top2-iou") not in served
    assert "cannot be made again" in plan.left_out["coherency of maps:one"]
    assert "no maps by class" in plan.left_out["top2-iou of maps:one"]
    assert "top2-iou of maps:two" not in plan.left_out


def test_pairs_by_maps_of_both_classes(planned, maps, birds):
    home = maps("two", by_class=True)
    changes = {"metrics": [{"use": ["cue-localisation"], "target": "pairs", "images": 2}]}
    plan, context = planned(methods=[{"use": ["grad-cam", f"maps:{home}"]}], **changes)
    blocks = scored(plan, context)
    wanted = {(u.image, u.against) for chunk in plan.chunks for u in chunk.units}
    rows = {
        (b.key.method, image, against): b.statistic
        for b in blocks
        for image, against in zip(b.who.images, b.who.against, strict=True)
    }
    assert {key[1:] for key in rows if key[0] == "maps:two"} == wanted
    for b in blocks:
        if b.statistic == ERROR:
            assert "has no map of" in b.error
            assert b.key.method == "maps:two"


def test_a_picture_without_a_map_is_a_row_that_says_where_it_was_looked_for(planned, maps):
    home = maps("one")
    plan, context = planned(
        methods=[{"use": [f"maps:{home}", "grad-cam"]}], metrics=[{"use": ["area"]}]
    )
    missing, broken = (unit.image for unit in plan.chunks[0].units[:2])
    (home / f"{missing}.npy").unlink()
    np.save(home / f"{broken}.npy", np.full((3, 3), np.nan))
    plan, context = planned(
        methods=[{"use": [f"maps:{home}", "grad-cam"]}], metrics=[{"use": ["area"]}]
    )
    blocks = scored(plan, context)
    errors = {b.who.images[0]: b.error for b in blocks if b.statistic == ERROR}
    assert errors.keys() == {missing, broken}
    assert f"looked for '{missing}." in errors[missing]
    assert "NaN or infinity" in errors[broken]
    found = numbers(blocks)
    assert len([key for key in found if key[0] == "grad-cam"]) == 6
    assert len([key for key in found if key[0] == "maps:one"]) == 4


def test_a_missing_map_of_the_second_class_costs_only_what_asks_for_it(planned, maps, networks):
    home = maps("two", by_class=True)
    for path in sorted(home.rglob("*.npy")):
        shutil.copy(path, path.with_name(path.name.rsplit(".", 2)[0] + ".npy"))
    bad = planned()[0].chunks[0].units[0].image
    classifier = load_model(f"{networks}:net")
    data = read_benchmark_data(planned()[1].data.source)
    second = explain(classifier, [data.picture(bad).path], "random", "top-2").targets[0, 1]
    (home / f"{bad}.{int(second)}.npy").unlink()
    plan, context = planned(
        methods=[{"use": [f"maps:{home}"]}], metrics=[{"use": ["top2-iou", "area"]}]
    )
    blocks = scored(plan, context)
    (error,) = [b for b in blocks if b.statistic == ERROR]
    assert (error.who.images, error.key.metric) == ((bad,), "top2-iou")
    assert ("maps:two", "area", bad) in numbers(blocks)
    assert len(numbers(blocks)) == 2 * 6 - 1


def test_own_code_that_fails_on_some_pictures_fails_there(planned, own, birds):
    plan, context = planned()
    classifier, bad = context.model(plan.chunks[0].model), context.data.pictures[3]
    own.write_text(
        OWN.replace("LIMIT", repr(float(classifier.preprocessing(open_image(bad.path)).mean())))
    )
    plan, context = planned(methods=[{"use": [f"{own}:dark"]}], metrics=[{"use": ["area"]}])
    blocks = scored(plan, context)
    (error,) = [b for b in blocks if b.statistic == ERROR]
    assert error.who.images == (bad.name,)
    assert error.error == "'own.py:dark' failed (line 14): ValueError: too dark"
    assert len(numbers(blocks)) == 5


def test_what_fails_on_the_first_picture_is_left_out(planned, own):
    plan, _ = planned(methods=[{"use": [f"{own}:never", "random"]}])
    assert plan.models[0].methods["group 1"] == ("random",)
    assert "ValueError: never" in plan.models[0].left_out["own.py:never"]


def test_chunks_depend_on_the_content_and_others_do_not(planned, own, maps):
    home = maps("one")
    groups = [
        {"name": "ours", "use": ["random"]},
        {"name": "own", "use": [f"{own}:Mine"]},
        {"name": "maps", "use": [f"maps:{home}"]},
    ]

    def ids():
        plan, _ = planned(methods=groups, metrics=[{"use": ["area"]}])
        return {name: {c.id for c in plan.chunks if c.group == name} for name in ("own", "maps")}, {
            c.id for c in plan.chunks if c.group == "ours"
        }

    (before, ours), (again, _) = ids(), ids()
    assert before == again
    own.write_text(OWN.replace("LIMIT", "-8"))
    after_code, still = ids()
    assert not after_code["own"] & before["own"]
    assert after_code["maps"] == before["maps"]
    path = min(home.rglob("*.npy"))
    np.save(path, np.load(path) + 1)
    after_maps, _ = ids()
    assert not after_maps["maps"] & before["maps"]
    assert still == ours
    # ids of plans without such methods are what they always were
    assert ours == {
        c.id for c in planned(methods=groups[:1], metrics=[{"use": ["area"]}])[0].chunks
    }


def rows_of(out):
    rows = Rows(out)
    try:
        tables = {t.metric: rows.scored(t) for t in rows.tables()}
        return tables, rows.cost()
    finally:
        rows.close()


def test_after_an_edit_the_same_command_mixes_nothing(planned, own, told, tmp_path):
    out, use = tmp_path / "out", ["grad-cam", f"{own}:dark"]
    asked = {"methods": [{"use": use}], "metrics": [{"use": ["area"]}], "cost": {"images": 1}}
    run_plan(*planned(**asked), out, told.opened)
    (first, before), first_text = rows_of(out), own.read_text()
    other = "model(inputs)[0, 0] * 0 + inputs[:, 0] ** 2"
    own.write_text(OWN.replace("inputs.mean(1)", other).replace("LIMIT", "-9"))
    outcome = run_plan(*planned(**asked), out, told.opened)
    assert (outcome.before, outcome.scored) == (0, 2)
    second, cost = rows_of(out)
    values = [
        {one.method: one.values.values.tolist() for one in found["area"]}
        for found in (first, second)
    ]
    assert values[0]["grad-cam"] == values[1]["grad-cam"]
    assert values[0]["own.py:dark"] != values[1]["own.py:dark"]
    assert {method for _, method in cost} == {"grad-cam", "own.py:dark"}
    own.write_text(first_text)
    outcome = run_plan(*planned(**asked), out, told.opened)
    assert (outcome.before, outcome.scored) == (2, 0)
    work = [
        {method: numbers["forward"] for (_, method), numbers in found.items()}["own.py:dark"]
        for found in (before, cost, rows_of(out)[1])
    ]
    assert work == pytest.approx([1, 2, 1], rel=0.01)


def test_a_file_that_changes_under_a_running_benchmark_ends_it(planned, own):
    plan, context = planned(methods=[{"use": [f"{own}:Mine"]}])
    own.write_text(OWN.replace("LIMIT", "-7"))
    with pytest.raises(SettingError, match="has changed since the benchmark was planned"):
        score_chunk(plan.chunks[0], context)
    (source,) = plan.models[0].sources
    assert (source.id, source.text) == ("own.py:Mine", f"{own}:Mine")
    with pytest.raises(SettingError, match="has changed"):
        opened(["own.py:Mine"], [source])


def test_cost_of_own_code_but_not_of_maps(planned, own, maps):
    use = ["random", f"{own}:Mine", f"maps:{maps('one')}"]
    plan, context = planned(methods=[{"use": use}], cost={"images": 1})
    items = cost_items(plan)
    assert [item.method for item in items] == ["random", "own.py:Mine"]
    blocks = measure_cost(items[1], plan, context)
    assert {b.statistic for b in blocks} >= {"extra:seconds", "extra:forward"}
    own.write_text(OWN.replace("LIMIT", "-6"))
    again = cost_items(planned(methods=[{"use": use}], cost={"images": 1})[0])
    assert again[0].id == items[0].id
    assert again[1].id != items[1].id


def test_pictures_are_explained_again_by_what_is_still_there(planned, own, maps):
    home = maps("one")
    use = ["random", f"{own}:Mine", f"{own}:dark", f"maps:{home}"]
    plan, context = planned(methods=[{"use": use}])
    told, model = plan.to_json(), plan.models[0].source
    image = context.data.pictures[0].name
    recipes, missing = recipes_of(told, model)
    again = explained(context, model, recipes, image)
    assert list(again.attributions) == ["random", "own.py:Mine", "own.py:dark", "maps:one"]
    assert (missing, again.failed) == ({}, {})
    (home / f"{image}.npy").unlink()
    own.unlink()
    left, missing = recipes_of(told, model)
    assert list(left) == ["random"]
    assert "there is no method" in missing["own.py:Mine"]
    assert "has changed since" in missing["maps:one"]
    again = explained(context, model, recipes, image)
    assert "maps:one" not in again.attributions
    assert "'maps:one' has no map" in again.failed["maps:one"]


def test_folders_become_a_group_of_methods(recipe):
    plain = recipe()
    assert with_maps(plain, ()) is plain
    group = with_maps(plain, [Path("a/b"), Path("c"), Path("c")]).methods[-1]
    assert (group.name, group.use, group.images) == ("maps", ("maps:a/b", "maps:c"), plain.images)
    taken = replace(plain, methods=(replace(plain.methods[0], name="maps"),))
    with pytest.raises(SettingError, match="methods named 'maps' already"):
        with_maps(taken, [Path("a")])


def test_two_places_of_one_name_are_refused(planned, own, tmp_path):
    other = tmp_path / "else" / "own.py"
    other.parent.mkdir()
    other.write_text(OWN)
    with pytest.raises(SettingError, match=r"would both be called 'own.py:Mine'"):
        planned(methods=[{"use": [f"{own}:Mine", f"{other}:Mine"]}])
    with pytest.raises(SettingError, match="in two groups"):
        planned(methods=[{"use": [f"{own}:Mine"]}, {"use": [f"{other}:Mine"]}])
