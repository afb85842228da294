"""Rows read per picture and as curves, and pictures explained again, on tiny birds."""

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.attribution.asked import as_recipes
from regionwise.benchmark.curves import RATIO, curves_of
from regionwise.benchmark.explained import context_of, explained, recipes_of
from regionwise.benchmark.foreign import sources_of
from regionwise.benchmark.per_image import per_image_of
from regionwise.benchmark.reading import Rows
from regionwise.benchmark.run import run_plan
from regionwise.data.images import open_image
from regionwise.errors import DataError, InputError


@pytest.fixture(scope="module")
def made():
    """A folder that is done; made once."""
    return {}


@pytest.fixture
def done(made, planned, told, tmp_path_factory):
    if not made:
        out = tmp_path_factory.mktemp("bench") / "out"
        plan, context = planned(
            methods=[{"use": ["grad-cam", "random"]}, {"name": "few", "use": ["cam"], "images": 2}],
            metrics=[
                {"name": "a", "use": ["pxap", "deletion:steps=3"]},
                {
                    "name": "b",
                    "use": ["remove-and-classify:percents=10/50", "average-drop"],
                    "target": "label",
                },
                {"name": "c", "use": ["cue-localisation"], "target": "pairs", "images": 3},
            ],
        )
        run_plan(plan, context, out, told.opened)
        made.update(out=out, plan=plan.to_json(), context=context, data=context.data)
    return made


def test_numbers_per_picture_are_those_of_the_rows(done):
    tables = {(t.table.metric, t.target): t for t in per_image_of(done["out"])}
    assert set(tables) == {
        ("pxap", "predicted"),
        ("deletion:steps=3", "predicted"),
        ("average-drop", "label"),
        ("cue-localisation", "pairs"),
    }
    drop = tables["average-drop", "label"]
    assert len(drop.units) == 6
    assert np.isfinite(drop.numbers["cam"]).sum() == 2
    assert all(against >= 0 for _, against in tables["cue-localisation", "pairs"].units)
    rows = Rows(done["out"])
    table = next(t for t in rows.tables() if t.metric == "average-drop")
    (grad_cam,) = [one for one in rows.scored(table) if one.method == "grad-cam"]
    rows.close()
    expected = dict(zip(grad_cam.units, grad_cam.values.values.tolist(), strict=True))
    found = dict(zip(drop.units, drop.row("grad-cam", drop.units), strict=True))
    assert found == pytest.approx(expected)


def test_curves_are_means_and_accuracies_are_shown_by_chances(done):
    curves = {one.name: one for one in curves_of(done["out"])}
    assert set(curves) == {"score", RATIO}
    assert curves["score"].images == 6
    assert len(curves["score"].levels) == len(curves["score"].means["cam"]) == 4
    ratio = curves[RATIO]
    assert ratio.levels == (0.1, 0.5)
    assert ratio.target == "label"
    rows = Rows(done["out"])
    table = next(t for t in rows.tables() if t.metric.startswith("remove"))
    (one,) = [one for one in rows.scored(table) if one.method == "random"]
    rows.close()
    hits, chance = (one.values.curves[name].sum(dim=0) for name in ("hits", "scattered"))
    expected = torch.where(chance > 0, hits / chance, torch.nan).tolist()
    assert ratio.means["random"] == pytest.approx(expected, nan_ok=True)


def test_a_picture_is_explained_for_the_predicted_class_and_the_label(done):
    model, data = done["plan"]["models"][0]["source"], done["data"]
    recipes, missing = recipes_of(done["plan"], model)
    assert (list(recipes), missing) == (["grad-cam", "random", "cam"], {})
    classifier = done["context"].model(model)
    labels = set()
    for picture in data.pictures:
        one = explained(done["context"], model, recipes, picture.name)
        assert list(one.attributions) == list(recipes)
        again = explain(classifier, [open_image(picture.path)], "grad-cam", "top-2")
        best, second = again.targets[0].tolist()
        assert one.label == picture.label
        wanted = second if best == picture.label else picture.label
        assert one.classes == (best, wanted)
        assert one.attributions["cam"].targets[0].tolist() == [best, wanted]
        assert torch.allclose(one.attributions["grad-cam"].maps[:, 0], again.maps[:, 0])
        labels.add(best == picture.label)
    assert labels == {True, False}  # the tiny network is right about some


def test_held_against_a_class_the_label_comes_first(done):
    model, picture = done["plan"]["models"][0]["source"], done["data"].pictures[0]
    recipes, _ = recipes_of(done["plan"], model)
    one = explained(done["context"], model, recipes, picture.name, against=2)
    assert one.classes == (picture.label, 2)


def test_a_network_with_other_classes_has_no_label_and_no_pairs(done, networks):
    model, picture = f"{networks}:stranger", done["data"].pictures[0]
    recipes, _ = recipes_of(done["plan"], done["plan"]["models"][0]["source"])
    assert explained(done["context"], model, recipes, picture.name).label is None
    with pytest.raises(InputError, match="other classes"):
        explained(done["context"], model, recipes, picture.name, against=1)


def test_what_fails_is_left_out_and_told_and_the_rest_is_done(done, tmp_path):
    """A method in a file that fails, maps of one class, and a file that is gone by now."""
    (tmp_path / "own.py").write_text("def broken(model, inputs, targets):\n    raise ValueError\n")
    (tmp_path / "maps").mkdir()
    picture, other = done["data"].pictures[:2]
    path = tmp_path / "maps" / f"{picture.name}.npy"
    path.parent.mkdir()
    np.save(path, np.arange(16.0).reshape(4, 4))
    texts = [f"{tmp_path / 'own.py'}:broken", f"maps:{tmp_path / 'maps'}"]
    plan = with_methods(done["plan"], texts)
    model = plan["models"][0]["source"]
    recipes, missing = recipes_of(plan, model)
    assert missing == {}
    one = explained(done["context"], model, recipes, picture.name)
    assert list(one.attributions) == ["grad-cam", "maps:maps"]
    assert list(one.failed) == ["own.py:broken"]
    assert one.attributions["maps:maps"].maps.shape[:2] == (1, 1)
    assert list(explained(done["context"], model, recipes, other.name).attributions) == ["grad-cam"]
    (tmp_path / "own.py").unlink()
    recipes, missing = recipes_of(plan, model)
    assert list(recipes) == ["grad-cam", "maps:maps"]
    assert list(missing) == ["own.py:broken"]


def with_methods(plan, texts):
    """Return a plan of Grad-CAM and of methods that are not ours."""
    recipes = as_recipes(texts)
    sources = [vars(source) for source in sources_of(recipes)]
    used = {**plan["models"][0], "methods": {"all": ["grad-cam", *recipes]}, "sources": sources}
    return {**plan, "models": [used]}


def test_other_data_is_refused(done, monkeypatch):
    monkeypatch.setenv("REGIONWISE_TRUST", done["plan"]["models"][0]["source"].rpartition(":")[0])
    assert context_of(done["plan"], "cpu").seed == 0
    changed = {**done["plan"], "data": {**done["plan"]["data"], "fingerprint": "x"}}
    with pytest.raises(DataError, match="--gallery 0"):
        context_of(changed, "cpu")
