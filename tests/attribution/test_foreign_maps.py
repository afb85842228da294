"""A folder of maps as a method: where they lie, which is taken, and what is refused."""

import io

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.attribution.asked import as_recipe, as_recipes
from regionwise.attribution.foreign_maps import places_of, read_map
from regionwise.attribution.foreign_names import apart, foreign_name
from regionwise.errors import DataError, SettingError


@pytest.fixture
def folder(tmp_path):
    """Maps of three pictures: one for all classes, one by class, one in both ways."""
    home = tmp_path / "mine"
    (home / "finch").mkdir(parents=True)
    np.save(home / "finch" / "a.jpg.npy", np.full((2, 3), 7, np.float32))
    np.save(home / "b.1.npy", np.eye(4))
    np.save(home / "b.0.npy", -np.eye(2))
    np.save(home / "c.png.npy", np.zeros((5, 5), np.uint8))
    np.save(home / "c.png.1.npy", np.ones((5, 5), np.float16))
    return home


def test_a_map_is_looked_for_where_wsolevaluation_writes_it():
    assert places_of("x/1.jpg", 7, shared=True) == [
        "x/1.jpg.7.npy",
        "x/1.7.npy",
        "x/1.jpg.npy",
        "x/1.npy",
    ]
    assert places_of("1.jpg", 0, shared=False) == ["1.jpg.0.npy", "1.0.npy"]


def test_the_map_of_the_class_goes_first(folder, pooled_net, images):
    recipe = as_recipe(f"maps:{folder}/").about(["finch/a.jpg", "b.jpg", "c.png"])
    found = explain(pooled_net, images, recipe, [2, 1, 1])
    assert found.method == "maps:mine"
    assert found.maps.shape == (3, 1, 16, 12)
    assert found.maps.dtype == torch.float64
    assert found.maps[:, 0].flatten(1).mean(1).tolist() == [7, 0.25, 1]
    shared = explain(pooled_net, images[:1], recipe.about(["c.png"]), 3)
    assert shared.maps.abs().max() == 0
    assert not found.signed


def test_of_two_classes_each_needs_its_own(folder, pooled_net, images):
    recipe = as_recipe(f"maps:{folder}")
    found = explain(pooled_net, images[:1], recipe.about(["b.jpg"]), [[0, 1]])
    assert found.maps[0, 0].min() == -1
    assert found.maps[0, 1].max() == 1
    with pytest.raises(DataError, match=r"no map of 'c.png'; looked for 'c.png.0.npy', 'c.0.npy'$"):
        explain(pooled_net, images[:1], recipe.about(["c.png"]), [[1, 0]])
    assert recipe.origin.lacks.keys() == {"again", "on_model"}
    for path in folder.glob("*.[01].npy"):
        path.unlink()
    plain = as_recipe(f"maps:{folder}")
    assert plain.origin.lacks.keys() == {"again", "on_model", "second", "second_maps"}
    assert explain(pooled_net, images[:1], plain.about(["c.png"]), [[1, 0]]).maps.shape[1] == 2


def test_only_a_benchmark_knows_names(folder, pooled_net, images):
    with pytest.raises(SettingError, match=r"which only a benchmark knows: .* --maps "):
        explain(pooled_net, images, f"maps:{folder}")
    with pytest.raises(DataError, match=r"'maps:mine' has no map of 'd.jpg'; looked for 'd.jpg.0"):
        explain(pooled_net, images[:1], as_recipe(f"maps:{folder}").about(["d.jpg"]), 0)


def test_the_content_decides_and_the_time_does_not(folder):
    first = as_recipe(f"maps:{folder}").origin.content
    (folder / "b.1.npy").touch()
    assert as_recipe(f"maps:{folder}").origin.content == first
    np.save(folder / "b.1.npy", 2 * np.eye(4))
    changed = as_recipe(f"maps:{folder}").origin.content
    (folder / "b.1.npy").rename(folder / "b.2.npy")
    assert len({first, changed, as_recipe(f"maps:{folder}").origin.content}) == 3


def saved(array):
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (saved(np.zeros((2, 3, 4))), r"has shape \(2, 3, 4\); it must be rows x columns"),
        (saved(np.zeros((0, 4))), "has shape"),
        (saved(np.array([[1, np.nan]])), "contains NaN or infinity"),
        (saved(np.array([[1, np.inf]], np.float32)), "contains NaN or infinity"),
        (saved(np.array([[1j]])), "no array of real numbers"),
        (saved(np.array([["a"]])), "no array of real numbers"),
        (saved(np.array([[{}]], object)), "cannot be read: Object arrays cannot be loaded"),
        (b"no array", "cannot be read"),
        (b"", "cannot be read"),
        (saved(np.zeros((9, 9)))[:-5], "cannot be read"),
    ],
)
def test_what_is_no_map_is_refused(tmp_path, content, says):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(DataError, match=says):
        read_map(tmp_path / "x.npy")


def test_folders_that_hold_none_are_refused(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    for text, says in (
        (f"maps:{tmp_path}/none", "is no folder"),
        (f"maps:{tmp_path}/empty", r"holds no \.npy file"),
        ("maps:", "is cut short"),
    ):
        with pytest.raises(SettingError, match=says):
            as_recipe(text)
    twin = tmp_path / "else" / "mine"
    twin.mkdir(parents=True)
    np.save(twin / "a.npy", np.eye(2))
    with pytest.raises(SettingError, match="would both be called 'maps:mine'; rename one"):
        as_recipes([f"maps:{folder}", f"maps:{twin}"])


@pytest.mark.parametrize(
    ("text", "label", "settings"),
    [
        ("a/b.py:MyCAM", "b.py:MyCAM", ""),
        (r"C:\a\b.py:f:x=1,y=c:d", None, "x=1,y=c:d"),
        ("x.py.d/b.py:f", "b.py:f", ""),
        ("captum:Saliency:abs=false", "captum:Saliency", "abs=false"),
        ("maps:a/b:c", "maps:b:c", ""),
        ("maps:some/../there/", "maps:there", ""),
    ],
)
def test_texts_are_taken_apart(text, label, settings):
    found = foreign_name(text)
    assert label in {None, found.label}
    assert found.settings == settings
    assert apart(text) == (text.removesuffix(f":{settings}"), settings)


def test_our_own_names_are_no_others():
    for text in ("grad-cam", "score-cam++:variant=paper", "captum", "maps", "happy:x=1"):
        assert foreign_name(text) is None
    assert apart("random:seed=1") == ("random", "seed=1")
