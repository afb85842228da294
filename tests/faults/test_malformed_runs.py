"""Run folders and files of weights with anything in them: refused on purpose, by name."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from regionwise import Preprocessing, load_model
from regionwise.errors import InputError, ModelError, WeightsError
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.models.backbones import BackboneSpec
from regionwise.models.hashes import sha256_of
from regionwise.models.runs import RunConfig, load_run, read_config
from regionwise.models.weights import load_weights

from .malformed import altered, refused, spoiled

SPEC = NetworkSpec(
    BackboneSpec("birdnet", options={"widths": [4, 4, 4, 4, 6], "depths": [1, 1, 1, 1]}), "cape", 3
)
HOW = Preprocessing(size=(32, 48), resize=None)
CONFIG = {"kind": "regionwise-run", "version": 1, **RunConfig(SPEC, HOW, ("a", "b", "c")).to_json()}


@pytest.fixture
def network():
    return build_network(SPEC, weights="random", size=HOW.size, seed=4)


@pytest.fixture
def run_folder(tmp_path, network) -> Path:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text(json.dumps(CONFIG))
    save_file(network.state_dict(), tmp_path / "run" / "weights.safetensors")
    return tmp_path / "run"


def of_config(run_folder: Path, content: str | bytes) -> bool:
    path = run_folder / "config.json"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return refused(lambda: read_config(run_folder), run_folder)


def test_a_configuration_with_altered_bytes(run_folder):
    content = json.dumps(CONFIG).encode()
    assert sum(of_config(run_folder, c) for c in spoiled(content, 300, seed=1)) > 250


def test_a_configuration_with_anything_for_its_values(run_folder):
    values = [json.dumps(value) for value in altered(CONFIG, 300, seed=2)]
    assert sum(of_config(run_folder, value) for value in values) > 150


@pytest.mark.parametrize("content", ["[" * 200_000, '{"a":' * 100_000, "", "null", "[]", "\ud83d"])
def test_a_configuration_that_is_hard_to_read(run_folder, content):
    assert of_config(run_folder, content.encode(errors="surrogatepass"))


def test_networks_that_no_configuration_should_ask_for(run_folder):
    """What is read is also built: sizes, options and classes that make no sense end in words."""
    for value in altered(CONFIG, 60, seed=3):
        (run_folder / "config.json").write_text(json.dumps(value))
        refused(lambda: load_run(run_folder), run_folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("classes", 2**40),
        ("backbone", {"source": "birdnet", "options": {"widths": [2**20] * 5}}),
        ("backbone", {"source": "timm:resnet18", "options": {"block": 3}}),
        ("backbone", {"source": "birdnet", "layer": "nowhere"}),
        ("head_options", {"temperatures": [None]}),
        ("head", {"x": 1}),
    ],
)
def test_a_network_that_cannot_be_built(run_folder, field, value):
    config = {**CONFIG, "network": {**CONFIG["network"], field: value}}
    (run_folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError) as caught:
        load_run(run_folder)
    assert "config.json" in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": [0, 4]},
        {"size": [4]},
        {"size": [2**40, 4]},
        {"size": "ab"},
        {"size": [True, 4]},
        {"resize": 0},
        {"resize": [4]},
        {"resize": "x"},
        {"mean": []},
        {"mean": [0.5, 0.5]},
        {"mean": [None, 1, 1]},
        {"std": [1, 1, 0]},
        {"std": [float("nan")] * 3},
        {"interpolation": ["bilinear"]},
    ],
)
def test_a_preprocessing_that_makes_no_sense(wrong):
    with pytest.raises(InputError):
        Preprocessing.from_json({**HOW.describe(), **wrong})


def test_weights_with_altered_bytes(run_folder):
    path = run_folder / "weights.safetensors"
    content = path.read_bytes()
    found = []
    for spoilt in spoiled(content, 60, seed=4):
        path.write_bytes(spoilt)
        found.append(refused(lambda: load_run(run_folder), path))
    assert sum(found) > 20


def test_weights_with_another_header(run_folder):
    path = run_folder / "weights.safetensors"
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header, rest = json.loads(content[8 : 8 + size]), content[8 + size :]
    for value in altered(header, 60, seed=5):
        text = json.dumps(value).encode()
        path.write_bytes(len(text).to_bytes(8, "little") + text + rest)
        refused(lambda: load_run(run_folder), path)


def test_one_bit_of_finished_weights_is_noticed(run_folder):
    """A run that was finished knows the hash of its weights."""
    path = run_folder / "weights.safetensors"
    (run_folder / "card.json").write_text(json.dumps({"weights_sha256": sha256_of(path)}))
    load_model(str(run_folder))
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"is not what was trained"):
        load_model(str(run_folder))


def checkpoint(value: object, *, zipped: bool) -> bytes:
    held = io.BytesIO()
    torch.save(value, held, _use_new_zipfile_serialization=zipped)
    return held.getvalue()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_with_altered_bytes(tmp_path, network, zipped):
    path = tmp_path / "last.ckpt"
    content = checkpoint({"state_dict": network.state_dict()}, zipped=zipped)
    contents = [*spoiled(content, 120, seed=6)]
    contents += [head + content[300:] for head in spoiled(content[:300], 120, seed=7)]
    found = []
    for spoilt in contents:
        path.write_bytes(spoilt)
        found.append(refused(lambda: load_weights(network, path), path))
    assert sum(found) > 100


def test_weights_of_another_kind_leave_the_network_as_it_was(tmp_path, network):
    state = network.state_dict()
    before = {name: value.clone() for name, value in state.items()}
    first = next(iter(state))
    kinds = {
        "complex": lambda v: v.to(torch.complex64),
        "sparse": lambda v: v.to_sparse(),
        "whole": lambda v: v.to(torch.int64),
        "boolean": lambda v: v.to(torch.bool),
        "meta": lambda v: v.to("meta"),
        "list": lambda v: v.tolist(),
        "wider": lambda v: torch.cat([v, v]),
    }
    path = tmp_path / "odd.pth"
    for make in kinds.values():
        torch.save({**state, first: make(state[first])}, path)
        with pytest.raises(WeightsError, match=r"odd.pth"):
            load_weights(network, path)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("value", [[1, 2], torch.zeros(3), {}, "x", 3, {1: 2}, {"state_dict": {}}])
def test_a_checkpoint_of_something_else(tmp_path, network, value):
    torch.save(value, tmp_path / "odd.pth")
    assert refused(lambda: load_weights(network, tmp_path / "odd.pth"), "odd.pth")


def test_the_command_names_the_run_in_one_line(run, run_folder, whole):
    (run_folder / "config.json").write_text('{"kind": "regionwise-run", "version": 1, "network": 3')
    ended = run("explain", whole, "--model", run_folder, "--out", "out")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "config.json" in ended.err


def test_whole_runs_are_read(run_folder, network):
    state = load_file(run_folder / "weights.safetensors")
    assert torch.equal(
        load_run(run_folder).module.state_dict()[next(iter(state))],
        network.state_dict()[next(iter(state))],
    )
