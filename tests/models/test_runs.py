"""Opening what a training left behind, and telling what is wrong with it."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from regionwise import Preprocessing, explain, load_model
from regionwise.errors import ModelError, WeightsError
from regionwise.heads.network import NetworkSpec, build_network
from regionwise.models import shipped
from regionwise.models.backbones import BackboneSpec
from regionwise.models.runs import RunConfig, load_run, read_config

SMALL = BackboneSpec("birdnet", options={"widths": [4, 4, 8, 8, 12], "depths": [1, 1, 1, 1]})
HOW = Preprocessing(size=(32, 48), resize=None)


def write_run(folder, head="cape", classes=3, **changes):
    """A run folder as training leaves it, of a network with seeded weights."""
    spec = NetworkSpec(SMALL, head, classes)
    network = build_network(spec, weights="random", size=HOW.size, seed=4)
    names = tuple("abcdefgh"[:classes])
    config = {
        "kind": "regionwise-run",
        "version": 1,
        **RunConfig(spec, HOW, names).to_json(),
        "scheme": {"name": "any"},
        **changes,
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(network.state_dict(), folder / "weights.safetensors")
    return network


def noise():
    return torch.randn(2, 3, 32, 48, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("form", [str, Path])
@pytest.mark.parametrize("head", ["pooled", "cape", "calm"])
def test_a_run_comes_back(tmp_path, head, form):
    network = write_run(tmp_path / "run", head)
    opened = load_model(form(tmp_path / "run"))
    assert torch.equal(opened(noise()), network(noise()))
    assert opened.layer == "backbone"
    assert opened.source == str(tmp_path / "run")
    assert opened.class_names == ("a", "b", "c")
    assert opened.preprocessing == HOW
    assert opened.weights == "weights.safetensors"
    assert not opened.module.training


def test_its_backbone_is_what_is_explained(tmp_path):
    write_run(tmp_path, "pooled")
    found = explain(load_model(tmp_path), noise(), "cam", 1)
    assert found.layer == "backbone"
    assert found.maps.shape == (2, 1, 2, 3)


def test_random_weights_and_weights_of_a_file(tmp_path):
    network = write_run(tmp_path / "run")
    random = load_model(str(tmp_path / "run"), weights="random")
    assert random.weights == "random"
    assert not torch.equal(random(noise()), network(noise()))
    given = load_model(str(tmp_path / "run"), weights=tmp_path / "run" / "weights.safetensors")
    assert torch.equal(given(noise()), network(noise()))


def test_a_backbone_takes_the_weights_of_a_run(tmp_path):
    network = write_run(tmp_path)
    spec = NetworkSpec(SMALL, "calm", 5)
    other = build_network(spec, weights=tmp_path, size=HOW.size)
    assert torch.equal(other.backbone(noise()), network.backbone(noise()))


@pytest.mark.parametrize("content", [None, "{", "[]", '{"kind": "else"}'])
def test_what_is_no_run(tmp_path, content):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelError, match=r"config\.json") as caught:
        load_model(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there():
    with pytest.raises(ModelError, match="no run"):
        load_model(Path("nowhere/run"))
    with pytest.raises(ModelError, match="the folder of a run"):
        load_model("some/where/else")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "version 2 .*install a newer"),
        ({"class_names": ["a"]}, "class_names holds 1 names, but the network has 3 classes"),
        ({"class_names": "abc"}, "class_names must be"),
        ({"network": {"head": "cape"}}, "'backbone' of the network"),
        ({"preprocessing": {"sizes": [3, 3]}}, "preprocessing has no 'sizes'"),
        ({"preprocessing": {"std": [0, 0, 0]}}, "preprocessing makes no sense"),
    ],
)
def test_a_damaged_configuration_names_the_field(tmp_path, changes, message):
    write_run(tmp_path, **changes)
    with pytest.raises(ModelError, match=message):
        read_config(tmp_path)


@pytest.mark.parametrize("field", ["network", "preprocessing", "class_names"])
def test_a_missing_field_is_named(tmp_path, field):
    write_run(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    del config[field]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=f"{field!r} is missing"):
        load_run(tmp_path)


def test_missing_and_truncated_weights(tmp_path):
    write_run(tmp_path)
    path = tmp_path / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="damaged"):
        load_run(tmp_path)
    path.unlink()
    with pytest.raises(WeightsError, match="no weights file"):
        load_run(tmp_path)


@pytest.mark.parametrize(("own", "other"), [("cape", "calm"), ("calm", "cape"), ("cape", "pooled")])
def test_a_checkpoint_of_another_head_names_both(tmp_path, own, other):
    write_run(tmp_path / "own", own)
    write_run(tmp_path / "other", other)
    (tmp_path / "other" / "weights.safetensors").replace(tmp_path / "own" / "weights.safetensors")
    with pytest.raises(WeightsError, match=f"holds a {other} head, but the network has a {own}"):
        load_run(tmp_path / "own")


@pytest.mark.parametrize("head", ["pooled", "cape", "calm"])
def test_class_counts_that_differ_name_both(tmp_path, head):
    write_run(tmp_path / "own", head, classes=3)
    write_run(tmp_path / "other", head, classes=5)
    (tmp_path / "other" / "weights.safetensors").replace(tmp_path / "own" / "weights.safetensors")
    with pytest.raises(WeightsError, match="for 5 classes, but the network has 3"):
        load_run(tmp_path / "own")


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A shelf of shipped weights with a plain classifier of a series and a network beside it."""
    network = write_run(tmp_path / "run", "cape")
    card = json.loads((tmp_path / "run" / "config.json").read_text())
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "birds-cape.json").write_text(json.dumps({**card, "name": "birds-cape"}))
    state = load_file(tmp_path / "run" / "weights.safetensors")
    half = {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
    save_file(half, folder / "birds-cape.safetensors")
    for number in (2, 10):
        (folder / f"birds-{number}.json").write_text("{}")
    monkeypatch.setattr(shipped, "_FOLDER", folder)
    shipped.shipped_names.cache_clear()
    yield network
    shipped.shipped_names.cache_clear()


def test_a_shipped_network(shelf):
    opened = load_model("birds-cape")
    assert torch.allclose(opened(noise()), shelf(noise()), atol=0.05)
    assert next(opened.module.parameters()).dtype == torch.float32
    assert (opened.source, opened.weights, opened.layer) == ("birds-cape", "shipped", "backbone")
    assert load_model("birds-cape", weights="random").weights == "random"


@pytest.mark.usefixtures("shelf")
def test_a_network_is_none_of_the_series():
    assert shipped.shipped_names() == ("birds-2", "birds-10", "birds-cape")
    assert shipped._newest("birds") == "birds-10"
    assert shipped.is_network("birds-cape")
    assert not shipped.is_network("birds")
