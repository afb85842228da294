"""Recipes: what is read, what is changed, and what is refused by key and value."""

import pytest

from regionwise.attribution.catalog import methods
from regionwise.benchmark.recipe_files import from_table, read_recipe, recipe_names
from regionwise.errors import SettingError
from regionwise.metrics.catalog import metrics

SMALL = {
    "methods": [{"name": "a", "use": ["grad-cam"]}],
    "metrics": [{"use": ["deletion"], "images": 7}],
}


@pytest.mark.parametrize("name", recipe_names())
def test_what_comes_with_the_package_names_things_that_exist(name):
    found = read_recipe(name)
    for group in found.methods:
        assert [methods.parse(text).id for text in group.use] == list(group.use)
    for group in found.metrics:
        assert [metrics.parse(text).id for text in group.use] == list(group.use)
    assert found.title
    assert found.summary


def test_groups_take_what_the_recipe_says():
    found = from_table({**SMALL, "images": 9, "seed": 3}, "small")
    assert (found.methods[0].images, found.metrics[0].images) == (9, 7)
    assert (found.models, found.judges, found.target) == (("birds",), ("own",), "predicted")
    assert found.metrics[0].name == "group 1"
    assert found.limited(8).methods[0].images == 8
    assert found.limited(8).metrics[0].images == 7


def test_a_file_is_read_and_changed(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        '[[methods]]\nname = "a"\nuse = ["cam"]\n[[metrics]]\nuse = ["area"]\n'
        '[[published]]\nmethod = "cam"\nmetric = "area"\nvalue = 1\nsource = "T"\n'
    )
    changes = (
        "images=5",
        "methods.a.images=2",
        'models=["x"]',
        "title=It is mine",
        "cost.images=0",
    )
    found = read_recipe(str(path), changes)
    assert (found.name, found.title, found.models, found.cost) == ("mine", "It is mine", ("x",), 0)
    assert (found.methods[0].images, found.metrics[0].images) == (2, 5)
    assert found.published[0].value == 1.0


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"image": 3}, "'image': did you mean 'images'"),
        ({"images": "many"}, "'images' of recipe 'r' cannot be 'many'; give a whole number"),
        ({"images": True}, "cannot be True"),
        ({"images": 0}, "cannot be 0; give at least 1"),
        ({"target": "pairs"}, "one of predicted, label"),
        ({"models": []}, "'models' cannot be"),
        ({"methods": []}, "no methods"),
        ({"methods": ["cam"]}, "must be a table"),
        ({"methods": [{"use": ["grad-cm"]}]}, "did you mean 'grad-cam'"),
        ({"methods": [{"use": ["cam"], "target": "label"}]}, "only .*metrics"),
        ({"metrics": [{"name": "a", "use": ["area"]}] * 2}, "has the name 'a'"),
        ({"metrics": [{"use": ["insertoin"]}]}, "did you mean 'insertion'"),
        ({"published": [{"method": "cam", "metric": "area", "value": 1}]}, "lacks 'source'"),
    ],
)
def test_what_makes_no_sense_is_named(table, says):
    with pytest.raises(SettingError, match=says):
        from_table({**SMALL, **table}, "r")


@pytest.mark.parametrize(
    ("source", "changes", "says"),
    [
        ("brids", (), "did you mean 'birds'"),
        ("none.toml", (), "cannot read the recipe"),
        ("quick", ("images",), "write key=value"),
        ("quick", ("methods.chaep.images=2",), "did you mean 'cheap'"),
        ("quick", ("images.a=2",), "no key of a recipe"),
    ],
)
def test_what_cannot_be_read_or_changed_is_named(source, changes, says):
    with pytest.raises(SettingError, match=says):
        read_recipe(source, changes)


def test_broken_toml_is_named(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("images = = 3")
    with pytest.raises(SettingError, match="no TOML"):
        read_recipe(str(path))
