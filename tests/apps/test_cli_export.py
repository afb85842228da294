"""`regionwise export`."""

import json

import pytest
import torch
from safetensors.torch import save_file

from regionwise import Preprocessing
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.models.backbones import BackboneSpec
from regionwise.models.runs import RunConfig

SMALL = BackboneSpec("birdnet", options={"widths": [4, 4, 8, 8, 12], "depths": [1, 1, 1, 1]})


@pytest.fixture
def trained(tmp_path):
    spec = NetworkSpec(SMALL, "cape", 3)
    config = RunConfig(spec, Preprocessing(size=(32, 48), resize=None), ("a", "b", "c"))
    folder = tmp_path / "run"
    folder.mkdir()
    value = {"kind": "regionwise-run", "version": 1, **config.to_json()}
    (folder / "config.json").write_text(json.dumps(value))
    network = build_network(spec, weights="random", size=(32, 48))
    save_file(network.state_dict(), folder / "weights.safetensors")
    return folder


def test_help(run):
    shown = run("export", "--help").out
    assert "--size" in shown
    assert "onnx" in shown


def test_a_run_is_exported(run, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)
    ended = run("export", trained, tmp_path / "net.pt2", "--size", "64")
    assert ended.code == 0
    assert "n x 3 x 64 x 64" in ended.out
    graph = torch.export.load(tmp_path / "net.pt2").module()
    probabilities, contributions, _ = graph(torch.zeros(1, 3, 64, 64))
    assert torch.allclose(contributions.sum(dim=(2, 3)), probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "file", "message"),
    [
        ("birds-1", "net.onnx", "plain classifier"),
        ("run", "net.pt", ".onnx"),
        ("rum", "net.onnx", "unknown model 'rum'"),
    ],
)
@pytest.mark.usefixtures("trained")
def test_what_cannot_be_exported_is_told_in_one_line(run, model, file, message):
    ended = run("export", model, file)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") == 1
