"""Recipes and sets of classes with anything in them: refused on purpose, by the file's name."""

from __future__ import annotations

import json
import tomllib
from importlib.resources import files
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from regionwise.attribution.class_sets import _read
from regionwise.benchmark.recipe_files import from_table, read_recipe, recipe_names
from regionwise.errors import SettingError

from .malformed import JUNK, altered, refused, spoiled

NAMES = recipe_names()
DEEP = {
    "brackets": b"x = " + b"[" * 100_000,
    "tables": b"[a." + b"a." * 20_000 + b"a]",
    "braces": b"x = " + b"{a = " * 30_000,
    "digits": b"images = " + b"1" * 10_000,
    "bytes": b"\xff\xfe\x00",
    "nothing": b"",
}
SETS = {"sets": {"a": [1, 2], "b": ["wren", "robin"]}, "groups": {"g": [3]}}


def shipped(name: str) -> bytes:
    return (files("regionwise.benchmark") / "recipes" / f"{name}.toml").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_with_altered_bytes(tmp_path, name):
    path = tmp_path / "mine.toml"
    found = []
    for content in spoiled(shipped(name), 25, seed=len(name)):
        path.write_bytes(content)
        found.append(refused(lambda: read_recipe(str(path)), path))
    assert sum(found) > 5


@pytest.mark.parametrize("name", [n for n in NAMES if b"extends" not in shipped(n)])
def test_a_recipe_with_anything_for_its_values(name):
    table = tomllib.loads(shipped(name).decode())
    found = [refused(lambda t=t: from_table(t, "mine"), "") for t in altered(table, 40, seed=1)]
    assert sum(found) > 10


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_with_altered_bytes_often(tmp_path, name):
    path = tmp_path / "mine.toml"
    for content in spoiled(shipped(name), 600, seed=7):
        path.write_bytes(content)
        refused(lambda: read_recipe(str(path)), path)


@pytest.mark.parametrize("kind", DEEP)
def test_a_recipe_that_is_hard_to_read(tmp_path, kind):
    path = tmp_path / "mine.toml"
    path.write_bytes(DEEP[kind])
    assert refused(lambda: read_recipe(str(path)), path)


@pytest.mark.parametrize("kind", ["loop", "folder", "absent", "pipe-like"])
def test_a_recipe_that_is_no_file(tmp_path, kind):
    path = tmp_path / "mine.toml"
    if kind == "loop":
        path.write_text('extends = "mine.toml"')
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe-like":
        path.write_text('extends = "/dev/null"\n')
    assert refused(lambda: read_recipe(str(path)), path)


@settings(deadline=None, max_examples=80)
@given(st.text(max_size=40), st.sampled_from([*map(repr, JUNK), "", "[", '"', "{"]))
def test_any_change(key, value):
    refused(lambda: read_recipe("quick", [key, f"{key}={value}", f"methods.{key}={value}"]), "")
    refused(lambda: read_recipe("quick", [f"images={value}"]), "images")


def test_the_command_names_the_recipe_in_one_line(run, tmp_path):
    (tmp_path / "deep.toml").write_bytes(DEEP["brackets"])
    ended = run("benchmark", "deep.toml", "--data", "birds:nowhere", "--out", "out")
    assert ended.code == 2
    assert ended.err.startswith("error: the recipe 'deep.toml' is no TOML")
    assert ended.err.count("\n") == 1


def test_sets_of_classes_with_anything_in_them(tmp_path):
    path = tmp_path / "sets.json"
    contents = [json.dumps(value).encode() for value in altered(SETS, 80, seed=2)]
    contents += [*spoiled(json.dumps(SETS).encode(), 60, seed=3), b"[" * 100_000, b'{"a":' * 50_000]
    found = []
    for content in contents:
        path.write_bytes(content)
        found.append(refused(lambda: _read(str(path)), path))
    assert 40 < sum(found) < len(found)


def test_what_is_refused_is_a_setting(tmp_path):
    path = Path(tmp_path / "mine.toml")
    path.write_text("images = 3\n")
    with pytest.raises(SettingError, match="has no methods"):
        read_recipe(str(path))


def test_recipes_that_extend_each_other_for_ever(tmp_path):
    for number in range(1500):
        (tmp_path / f"r{number}.toml").write_text(f'extends = "r{number + 1}.toml"\n')
    with pytest.raises(SettingError, match="extends more than 50 others"):
        read_recipe(str(tmp_path / "r0.toml"))


def test_a_seed_beyond_all_generators():
    with pytest.raises(SettingError, match="'seed' of recipe"):
        read_recipe("quick", [f"seed={2**63}"])
