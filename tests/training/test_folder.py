"""Whose folder it is: nobody's, this run's, another's, or a run's that never began."""

import json

import pytest
import torch
from safetensors.torch import save_file

from regionwise.errors import OutputError, SettingError, WeightsError
from regionwise.training.folder import differences, enter_folder, finished

CONFIG = {"kind": "regionwise-run", "scheme": {"lr": 0.1, "changed": {}}, "data": {"sha256": "a"}}
OTHER = {**CONFIG, "data": {"sha256": "b"}}


def weights(folder):
    save_file({"w": torch.zeros(2)}, folder / "weights.safetensors")


def test_a_new_folder_gets_the_config(tmp_path):
    assert finished(tmp_path / "run", CONFIG) is None
    assert not (tmp_path / "run").exists(), "looking writes nothing"
    assert enter_folder(tmp_path / "run", CONFIG) is None
    assert json.loads((tmp_path / "run" / "config.json").read_text()) == CONFIG


def test_what_was_changed_in_a_scheme_follows_from_the_rest(tmp_path):
    enter_folder(tmp_path, CONFIG)
    weights(tmp_path)
    enter_folder(tmp_path, {**CONFIG, "scheme": {"lr": 0.1, "changed": {"lr": 0.1}}})


def test_a_run_that_never_came_to_an_epoch_may_be_asked_for_anew(tmp_path):
    """A picture that could not be read, say, has been put right, and so the data are others."""
    enter_folder(tmp_path, CONFIG)
    assert enter_folder(tmp_path, OTHER) is None
    assert json.loads((tmp_path / "config.json").read_text()) == OTHER


@pytest.mark.parametrize("name", ["weights.safetensors", "last.ckpt", "card.json"])
def test_what_has_been_trained_is_never_written_over(tmp_path, name):
    enter_folder(tmp_path, CONFIG)
    (tmp_path / name).write_text("{}")
    with pytest.raises(SettingError, match=r'data\.sha256 was "a", now "b"'):
        enter_folder(tmp_path, OTHER)
    assert json.loads((tmp_path / "config.json").read_text()) == CONFIG


def test_a_finished_run_has_a_card_and_weights(tmp_path):
    enter_folder(tmp_path, CONFIG)
    (tmp_path / "card.json").write_text('{"title": "x"}')
    with pytest.raises(WeightsError, match="no weights file"):
        finished(tmp_path, CONFIG)
    weights(tmp_path)
    assert finished(tmp_path, CONFIG) == {"title": "x"}
    content = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(content[:-3])
    with pytest.raises(WeightsError, match="damaged"):
        finished(tmp_path, CONFIG)


@pytest.mark.parametrize("text", ["[]", "3", "{", '{"kind": "something else"}'])
def test_a_config_that_is_no_runs_is_left_alone(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(OutputError, match="choose another --out"):
        enter_folder(tmp_path, CONFIG)
    assert (tmp_path / "config.json").read_text() == text


@pytest.mark.parametrize("name", ["thesis.txt", ".hidden"])
def test_a_folder_with_something_else_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("years of work")
    with pytest.raises(OutputError, match="holds no run"):
        enter_folder(tmp_path, CONFIG)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_lock_left_behind_is_nothing_else(tmp_path):
    (tmp_path / "run.lock").write_text("12")
    assert enter_folder(tmp_path, CONFIG) is None


def test_a_name_that_no_folder_can_have(tmp_path):
    with pytest.raises(OutputError, match="too long"):
        finished(tmp_path / ("a" * 300), CONFIG)


def test_what_a_killed_run_had_begun_to_write_is_removed(tmp_path):
    (tmp_path / ".half-x.json").write_text("{")  # of the first file of all
    enter_folder(tmp_path, CONFIG)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json"}
    (tmp_path / ".half-abc.ckpt").write_text("half")
    (tmp_path / ".keep").write_text("not ours")
    enter_folder(tmp_path, CONFIG)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", ".keep"}


def test_differences_are_named_by_their_path():
    before, now = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}, "e": 5}
    assert differences(before, now) == [
        "a.c was 2, now 4",
        'd was 3, now "nothing"',
        'e was "nothing", now 5',
    ]
