"""Code in weights is never run, and code that a file names only if the user names it too."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision import models

from regionwise import Preprocessing, load_model
from regionwise.attribution.foreign_maps import read_map
from regionwise.benchmark.named_code import check_code
from regionwise.benchmark.recipe_files import read_recipe
from regionwise.data.birds import write_birds
from regionwise.errors import ModelError, RegionwiseError, SettingError, WeightsError
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.models.backbones import BackboneSpec, build_backbone
from regionwise.models.runs import RunConfig, load_run
from regionwise.models.weights import load_weights
from regionwise.training.checkpoints import WholeCheckpoints
from regionwise.trust import trust

NET = torch.nn.Linear(2, 2)
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Malicious:
    """Unpickled, it runs a command."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch '{self.sign}'",)


@pytest.fixture
def sign(tmp_path) -> Path:
    """Return a file that is there once the code has run."""
    return tmp_path / "ran"


@pytest.fixture(autouse=True)
def nobody_trusted(monkeypatch):
    monkeypatch.setenv("REGIONWISE_TRUST", "")


def test_the_code_is_real(sign):
    pickle.loads(pickle.dumps(Malicious(sign)))  # noqa: S301 - to see that it would run
    assert sign.exists()


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"state_dict": x}, lambda x: {"w": [x]}])
def test_code_in_a_checkpoint_does_not_run(tmp_path, sign, zipped, wrap):
    path = tmp_path / "evil.pth"
    torch.save(wrap(Malicious(sign)), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(WeightsError, match=r"never run"):
        load_weights(NET, path)
    with pytest.raises(WeightsError):
        WholeCheckpoints().load_checkpoint(path)
    assert not sign.exists()


@pytest.mark.parametrize("name", ["evil.pth", "evil.safetensors", "evil.bin", "evil"])
def test_a_bare_pickle_does_not_run(tmp_path, sign, name):
    (tmp_path / name).write_bytes(pickle.dumps(Malicious(sign)))
    with pytest.raises(WeightsError):
        load_weights(NET, tmp_path / name)
    assert not sign.exists()


def test_code_in_an_archive_does_not_run(tmp_path, sign):
    """TorchScript, and a pickle beside the tensors."""
    path = tmp_path / "evil.pt"
    torch.save({"w": torch.zeros(2)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("evil/../../../../../../../tmp/x", b"traversal")
    read = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(path, "w") as archive, zipfile.ZipFile(read) as before:
        for item in before.namelist():
            evil = pickle.dumps(Malicious(sign)) if item.endswith("data.pkl") else before.read(item)
            archive.writestr(item, evil)
    with pytest.raises(WeightsError):
        load_weights(NET, path)
    assert not sign.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.pt"]


def test_code_in_a_map_does_not_run(tmp_path, sign):
    array = np.array([[Malicious(sign)]], dtype=object)
    np.save(tmp_path / "evil.npy", array, allow_pickle=True)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Malicious(sign)))
    for name in ("evil.npy", "bare.npy"):
        with pytest.raises(RegionwiseError, match=name):
            read_map(tmp_path / name)
    assert not sign.exists()


def test_code_in_downloaded_weights_does_not_run(tmp_path, sign, monkeypatch):
    """torch.hub would unpickle what lies in its cache."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(Malicious(sign), folder / Path(models.SqueezeNet1_1_Weights.DEFAULT.url).name)
    with pytest.raises(WeightsError):
        load_model("torchvision:squeezenet1_1")
    assert not sign.exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


@pytest.mark.parametrize("option", ["checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay"])
@pytest.mark.parametrize("weights", ["random", "pretrained"])
def test_options_of_a_network_load_no_weights(tmp_path, sign, option, weights):
    torch.save(Malicious(sign), tmp_path / "evil.pth")
    value = str(tmp_path / "evil.pth")
    options = {option: value if option == "checkpoint_path" else {"file": value}}
    with pytest.raises(SettingError, match=r"weights=FILE"):
        build_backbone(BackboneSpec("timm:resnet18", options=options), weights=weights)
    assert not sign.exists()


HOW = Preprocessing(size=(32, 32), resize=None)


def write_run(folder: Path, source: str) -> None:
    spec = NetworkSpec(BackboneSpec(source), "cape", 3)
    config = RunConfig(spec, HOW, ("a", "b", "c")).to_json()
    folder.mkdir()
    (folder / "config.json").write_text(
        json.dumps({"kind": "regionwise-run", "version": 1, **config})
    )
    (folder / "weights.safetensors").write_bytes(b"")


@pytest.fixture
def evil(tmp_path, sign, nets) -> Path:
    """Return a file of code that leaves a sign when it runs."""
    path = tmp_path / "evil.py"
    path.write_text(f"open({str(sign)!r}, 'w').close()\n" + nets.read_text())
    return path


def test_a_run_runs_no_code_that_only_its_configuration_names(run, tmp_path, evil, sign, whole):
    write_run(tmp_path / "run", f"{evil}:net")
    with pytest.raises(ModelError, match=r"regionwise --trust"):
        load_model(str(tmp_path / "run"))
    with pytest.raises(ModelError, match=r"config.json"):
        load_run(tmp_path / "run")
    explain = ("explain", whole, "--model", "run", "--out", "out")
    for command in (explain, ("layers", "run"), ("export", "run", "x.onnx")):
        ended = run(*command)
        assert ended.code == 2
        assert "evil.py" in ended.err
    assert not sign.exists()


def test_named_on_the_command_line_it_runs(run, tmp_path, evil, sign, whole):
    network = build_network(
        NetworkSpec(BackboneSpec(f"{evil}:net"), "pooled", 3), weights="random", size=HOW.size
    )
    config = RunConfig(NetworkSpec(BackboneSpec(f"{evil}:net"), "pooled", 3), HOW, ("a", "b", "c"))
    sign.unlink()
    write_run(tmp_path / "run", "birdnet")
    known = {"kind": "regionwise-run", "version": 1, **config.to_json()}
    (tmp_path / "run" / "config.json").write_text(json.dumps(known))
    save_file(network.state_dict(), tmp_path / "run" / "weights.safetensors")
    explain = ("explain", whole, "--model", "run", "--method", "cam", "--out", "out")
    other = run("--trust", "nets.py", *explain)
    assert other.code == 2
    assert not sign.exists()
    ended = run("--trust", "evil.py", *explain)
    assert ended.code == 0, ended.err
    assert sign.exists()


def test_a_name_with_a_colon_is_not_taken_for_a_trusted_one(tmp_path, evil, sign):
    """``ok.py:evil.py:net`` names a file of its own, however it begins."""
    trust(shutil.copy(evil, tmp_path / "ok.py"))
    odd = tmp_path / "ok.py:evil.py"
    shutil.copy(evil, odd)
    write_run(tmp_path / "run", f"{odd}:net")
    with pytest.raises(ModelError, match=r"names code"):
        load_run(tmp_path / "run")
    with pytest.raises(SettingError, match=r"names code"):
        check_code({"models": [f"{odd}:net"]}, "this")
    assert not sign.exists()


@pytest.mark.parametrize(
    "line",
    [
        'models = ["{}:net"]',
        'judges = ["own", "{}:net"]',
        'judges = ["matched:{}:net"]',
        '[[methods]]\nuse = ["{}:noise"]',
        '[[methods]]\nuse = ["{}:noise:power=1"]',
        '[[families]]\nname = "F"\nvanilla = "{}:net"',
        '[[seeds]]\nname = "s"\nmodels = ["{}:net", "birds"]',
    ],
)
@pytest.mark.parametrize("extends", [False, True])
def test_a_recipe_runs_no_code_that_only_it_names(run, tmp_path, evil, sign, line, extends):
    text = line.format(evil) + '\n[[metrics]]\nuse = ["area"]\n'
    if "methods" not in text:
        text += '[[methods]]\nuse = ["random"]\n'
    (tmp_path / "mine.toml").write_text(text)
    if extends:
        (tmp_path / "over.toml").write_text('extends = "mine.toml"\n')
    name = "over.toml" if extends else "mine.toml"
    with pytest.raises(SettingError, match=r"evil.py.*--trust"):
        read_recipe(str(tmp_path / name))
    birds = ("--data", "birds:nowhere", "--out", "out")
    ended = run("benchmark", name, *birds)
    assert ended.code == 2
    assert "names code" in ended.err
    assert not sign.exists()


def test_a_change_on_the_command_line_is_named(tmp_path, evil):
    changed = read_recipe("quick", [f'models=["{evil}:net"]'])
    assert changed.models == (f"{evil}:net",)
    trust(evil)
    (tmp_path / "mine.toml").write_text(f'extends = "quick"\nmodels = ["{evil}:net"]\n')
    assert read_recipe(str(tmp_path / "mine.toml")).models == (f"{evil}:net",)


@pytest.mark.parametrize("place", ["model", "method"])
def test_a_report_runs_no_code_that_only_the_plan_names(run, tmp_path, nets, evil, sign, place):
    birds = write_birds(tmp_path / "birds", classes=3, images_per_class=2, size=32)
    (tmp_path / "r.toml").write_text(
        '[[methods]]\nuse = ["random"]\n[[metrics]]\nuse = ["area"]\n[cost]\nimages = 0\n'
    )
    options = ("--data", f"birds:{birds}", "--model", f"{nets}:net", "--out", "bench")
    assert run("benchmark", "r.toml", *options).code == 0
    path = tmp_path / "bench" / "plan.json"
    plan = json.loads(path.read_text())
    if place == "model":
        path.write_text(path.read_text().replace(str(nets), str(evil)))
    else:
        plan["models"][0]["methods"]["group 1"].append(f"{evil}:noise")
        path.write_text(json.dumps(plan))
    trust(nets)
    without = run("report", "bench", "--gallery", 0)
    assert without.code == (2 if place == "model" else 0)  # its rows are of another network
    ended = run("report", "bench", "--gallery", 1)
    assert ended.code == 2
    assert not sign.exists()


def test_going_on_with_a_benchmark_takes_nothing_from_its_plan(run, tmp_path, nets, evil, sign):
    birds = write_birds(tmp_path / "birds", classes=3, images_per_class=2, size=32)
    (tmp_path / "r.toml").write_text(
        '[[methods]]\nuse = ["random"]\n[[metrics]]\nuse = ["area"]\n[cost]\nimages = 0\n'
    )
    options = ("--data", f"birds:{birds}", "--model", f"{nets}:net", "--out", "bench")
    assert run("benchmark", "r.toml", *options).code == 0
    path = tmp_path / "bench" / "plan.json"
    path.write_text(path.read_text().replace(str(nets), str(evil)))
    run("benchmark", "r.toml", *options)
    assert not sign.exists()


def test_trust_is_inherited_and_refuses_what_is_no_file(tmp_path, evil, monkeypatch):
    with pytest.raises(SettingError, match=r"nowhere.py"):
        trust(tmp_path / "nowhere.py")
    monkeypatch.chdir(tmp_path)
    trust("evil.py")
    trust("evil.py", evil)
    code = (
        "from regionwise.benchmark.named_code import check_code as c;"
        " c({'models': ['evil.py:f']}, '')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=False, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    assert os.environ["REGIONWISE_TRUST"] == str(evil.resolve())


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A cache as the hub's client writes it: weights are links to what their hash names."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    torch.manual_seed(3)
    fetched = timm.create_model("mobilenetv3_small_050", pretrained=False)
    home = tmp_path / "hub" / f"models--{fetched.pretrained_cfg['hf_hub_id'].replace('/', '--')}"
    snapshot, blobs = home / "snapshots" / COMMIT, home / "blobs"
    for folder in (snapshot, blobs, home / "refs"):
        folder.mkdir(parents=True)
    (home / "refs" / "main").write_text(COMMIT)
    save_file(fetched.state_dict(), tmp_path / "w.safetensors")
    content = (tmp_path / "w.safetensors").read_bytes()
    blob = blobs / hashlib.sha256(content).hexdigest()
    blob.write_bytes(content)
    (snapshot / "model.safetensors").symlink_to(blob)
    return blob


def test_downloaded_weights_are_held_against_their_hash(hub):
    assert load_model("timm:mobilenetv3_small_050").weights == "pretrained"
    content = bytearray(hub.read_bytes())
    content[-5] ^= 1
    hub.write_bytes(content)
    with pytest.raises(WeightsError, match=r"is not what the hub sent"):
        load_model("timm:mobilenetv3_small_050")


def test_torch_hub_is_asked_to_compare_hashes(monkeypatch):
    """What lies in its cache was compared when it was fetched."""
    asked = []

    def fetched(url: str, *_: object, **how: object) -> None:
        asked.append((Path(url).name, how.get("check_hash")))
        raise OSError("no network")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetched)
    monkeypatch.setattr("timm.models._builder.load_state_dict_from_url", fetched)
    monkeypatch.setattr("timm.models._builder.has_hf_hub", lambda *_, **__: False)
    for name in ("torchvision:squeezenet1_1", "timm:resnet26d", "timm:resnet18"):
        with pytest.raises(WeightsError):
            load_model(name)
    assert [checked for _, checked in asked] == [True] * len(asked)
    assert len(asked) == 3
    assert timm.models._builder._CHECK_HASH is False
