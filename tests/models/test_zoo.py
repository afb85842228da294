"""Loading by name, file, factory or module."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from regionwise import Classifier, Preprocessing, load_model
from regionwise.errors import ModelError, SettingError, WeightsError

FACTORY = """
import torch
from torch import nn

def build():
    torch.manual_seed(1)
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)]
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), *head)

def build_all():
    from regionwise import Classifier, Preprocessing
    return Classifier(build(), Preprocessing(size=(16, 16), resize=16), ("cat", "dog"))

def broken():
    raise KeyError("weights.pt")

def wrong():
    return 5
"""


@pytest.fixture
def factory(tmp_path):
    path = tmp_path / "my_model.py"
    path.write_text(FACTORY)
    return path


def test_a_module_is_taken_as_it_is():
    module = nn.Sequential(nn.Conv2d(3, 4, 3)).train()
    loaded = load_model(module)
    assert loaded.module is module
    assert module.training
    assert loaded.preprocessing is None


def test_a_classifier_stays_itself():
    classifier = Classifier(nn.Identity(), Preprocessing(), ("a", "b"))
    assert load_model(classifier) is classifier


def test_random_weights_are_the_same_each_time():
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    one = load_model("torchvision:squeezenet1_1", weights="random")
    two = load_model("torchvision:squeezenet1_1", weights="random")
    assert one.weights_hash() == two.weights_hash()
    assert one.weights == "random"
    assert not one.module.training
    assert len(one.class_names) == 1000
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_hash_sees_every_weight():
    one = load_model("timm:mobilenetv3_small_050", weights="random")
    before = one.weights_hash()
    with torch.no_grad():
        next(one.module.parameters()).flatten()[0] += 1e-3
    assert one.weights_hash() != before


def test_a_factory_in_a_file(factory):
    loaded = load_model(f"{factory}:build")
    assert loaded(torch.zeros(1, 3, 8, 8)).shape == (1, 2)
    assert loaded.source.endswith("my_model.py:build")
    assert load_model(f"{factory}:build_all").class_names == ("cat", "dog")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("biuld", "did you mean 'build'"),
        ("broken", "weights.pt"),
        ("wrong", "int"),
        ("", "no function"),
    ],
)
def test_a_factory_that_fails_is_told_in_one_line(factory, name, message):
    with pytest.raises(ModelError, match=message) as caught:
        load_model(f"{factory}:{name}")
    assert "\n" not in str(caught.value)


def test_a_file_that_does_not_exist_or_does_not_parse(tmp_path):
    with pytest.raises(ModelError, match=r"nothing\.py"):
        load_model(f"{tmp_path}/nothing.py:build")
    (tmp_path / "bad.py").write_text("def build(:")
    with pytest.raises(ModelError, match="SyntaxError"):
        load_model(f"{tmp_path}/bad.py:build")


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("bird", "birds"),
        ("torchvision:resnet81", "resnet18"),
        ("timm:resnet81", "resnet"),
        ("torchvision:", "torchvision:NAME"),
        ("", "birds"),
    ],
)
def test_unknown_models_get_a_hint(source, hint):
    with pytest.raises(ModelError, match=hint):
        load_model(source)


def test_an_unknown_device():
    with pytest.raises(SettingError, match="quantum"):
        load_model("torchvision:squeezenet1_1", weights="random", device="quantum")


@pytest.mark.parametrize("form", ["safetensors", "pt", "checkpoint", "parallel"])
def test_weights_from_a_file(tmp_path, factory, form):
    source = load_model(f"{factory}:build")
    state = {k: v + 1 for k, v in source.module.state_dict().items()}
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pt")
    if form == "safetensors":
        save_file(state, path)
    elif form == "pt":
        torch.save(state, path)
    elif form == "checkpoint":
        torch.save({"epoch": 3, "state_dict": state}, path)
    else:
        torch.save({f"module.{k}": v for k, v in state.items()}, path)
    loaded = load_model(f"{factory}:build", weights=path)
    assert loaded.weights == path.name
    assert all(torch.equal(v, state[k]) for k, v in loaded.module.state_dict().items())


class Payload:
    def __reduce__(self):
        return (exec, ("raise SystemExit('code in weights was run')",))


def test_code_in_weights_is_never_run(tmp_path, factory):
    path = tmp_path / "evil.pt"
    torch.save({"state_dict": {}, "extra": Payload()}, path)
    with pytest.raises(WeightsError, match="never run"):
        load_model(f"{factory}:build", weights=path)
    plain = tmp_path / "evil.pkl"
    plain.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(WeightsError):
        load_model(f"{factory}:build", weights=plain)


def test_weights_that_do_not_fit_change_nothing(tmp_path, factory):
    module = load_model(f"{factory}:build").module
    before = {k: v.clone() for k, v in module.state_dict().items()}
    state = dict(before)
    state["4.weight"] = torch.zeros(3, 4)
    save_file(state, tmp_path / "shape.safetensors")
    with pytest.raises(WeightsError, match=r"4\.weight.*\(3, 4\).*\(2, 4\)"):
        load_model(module, weights=tmp_path / "shape.safetensors")
    save_file({"0.weight": before["0.weight"], "other": torch.zeros(1)}, tmp_path / "n.safetensors")
    with pytest.raises(WeightsError, match=r"3 missing .* and 1 unknown \('other'\)"):
        load_model(module, weights=tmp_path / "n.safetensors")
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"not weights at all", b"PK\x03\x04broken"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_damaged_weights(tmp_path, factory, content, suffix):
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        load_model(f"{factory}:build", weights=path)


def test_weights_that_are_not_there(factory):
    with pytest.raises(WeightsError, match="no weights file"):
        load_model(f"{factory}:build", weights="nowhere.safetensors")


def test_pretrained_weights_that_cannot_be_fetched_are_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    with pytest.raises(WeightsError, match="weights='random'") as caught:
        load_model("torchvision:squeezenet1_1")
    assert "\n" not in str(caught.value)


def unreachable(*_, **__):
    raise OSError("network is unreachable")
