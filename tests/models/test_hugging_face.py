"""Tiny image classifiers of transformers, saved to a folder and loaded by name."""

import json
import shutil
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import torch
from PIL import Image

from architectures import wake
from regionwise import Probe, explain, load_model
from regionwise.errors import ModelError, WeightsError
from regionwise.models import hugging_face
from regionwise.models.adapters import Adapted
from regionwise.models.hugging_face import preprocessing_of

transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")

NAMES = {0: "red wren", 1: "great tit", 2: "goldfinch"}
SMALL = {"id2label": NAMES, "label2id": {v: k for k, v in NAMES.items()}}
WINDOWED = {
    "image_size": 64, "patch_size": 4, "embed_dim": 8, "depths": [1, 1], "num_heads": [2, 2],
    "window_size": 4, "encoder_stride": 4,
}  # fmt: skip
VIT = {
    "image_size": 64, "patch_size": 16, "hidden_size": 16, "num_hidden_layers": 2,
    "num_attention_heads": 2, "intermediate_size": 32,
}  # fmt: skip
CONV = {"depths": [1, 1], "hidden_sizes": [8, 16]}
# config class: settings, layer, layout and leading tokens, map, whether CAM applies
FAMILIES = {
    "ResNetConfig": (CONV | {"embedding_size": 8, "layer_type": "basic"},
                     "resnet.encoder.stages.1", "nchw", 0, (8, 8), True),
    "ConvNextConfig": (CONV | {"num_stages": 2}, "convnext.encoder.stages.1", "nchw", 0, (8, 8),
                       False),
    "ViTConfig": (VIT, "vit.layers.1.layernorm_before", "tokens", 1, (4, 4), False),
    "DeiTConfig": (VIT, "deit.layers.1.layernorm_before", "tokens", 2, (4, 4), False),
    "SwinConfig": (WINDOWED, "swin.layernorm", "tokens", 0, (8, 8), True),
    "Swinv2Config": (WINDOWED, "swinv2.layernorm", "tokens", 0, (8, 8), True),
}  # fmt: skip


def save(folder, config, **changes):
    settings = FAMILIES[config][0] | SMALL | changes
    torch.manual_seed(3)
    build = getattr(transformers, config.replace("Config", "ForImageClassification"))
    model = build(getattr(transformers, config)(**settings))
    wake(model, seed=4).save_pretrained(folder)
    transformers.ViTImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


@pytest.fixture
def inputs():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(6))


@pytest.mark.parametrize("config", FAMILIES)
def test_a_folder_is_loaded_and_explained(config, tmp_path, inputs):
    _, layer, layout, lead, cells, cam = FAMILIES[config]
    loaded = load_model(f"hf:{save(tmp_path, config)}")
    assert loaded.class_names == tuple(NAMES.values())
    assert loaded.weights == "pretrained"
    assert loaded.preprocessing.size == (64, 64)
    needs = frozenset({"gradients", "tail", "pooled-head"})
    with Probe(loaded.module, inputs, "top-2", needs=needs) as probe:
        assert probe.layer == layer
        assert (probe.grid.layout, probe.grid.prefix) == (layout, lead)
        assert probe.activations.shape[-2:] == cells
        assert probe.tail.mode == "replay"
        if cam:
            assert probe.pooled_head.weight.shape[0] == 3
        else:
            with pytest.raises(ModelError):
                _ = probe.pooled_head
    maps = explain(loaded, inputs, "grad-cam:relu=false", [[0, 1]] * 2).maps
    assert maps.abs().amax() > 0
    assert (maps[:, 0] - maps[:, 1]).abs().max() > 1e-3 * maps.abs().max()


def test_the_same_weights_give_the_same_logits(tmp_path, inputs):
    folder = save(tmp_path, "ViTConfig")
    theirs = transformers.AutoModelForImageClassification.from_pretrained(folder).eval()
    with torch.no_grad():
        assert torch.equal(load_model(f"hf:{folder}")(inputs).logits, theirs(inputs).logits)


def test_random_weights_and_weights_from_a_file(tmp_path, inputs):
    folder = save(tmp_path, "ResNetConfig")
    stored = load_model(f"hf:{folder}")
    one, two = (load_model(f"hf:{folder}", weights="random") for _ in range(2))
    assert one.weights_hash() == two.weights_hash() != stored.weights_hash()
    again = load_model(f"hf:{folder}", weights=folder / "model.safetensors")
    assert again.weights_hash() == stored.weights_hash()


@pytest.mark.parametrize(
    ("kind", "output"),
    [("multi_label_classification", "multi-label"), ("regression", "regression")],
)
def test_the_meaning_of_the_output_is_kept(tmp_path, inputs, kind, output):
    loaded = load_model(f"hf:{save(tmp_path, 'ViTConfig', problem_type=kind)}")
    assert isinstance(loaded.module, Adapted)
    assert loaded.module.output == output
    found = explain(loaded, inputs, "grad-cam", 1)
    assert found.layer == "network.vit.layers.1.layernorm_before"
    assert bool(found.probabilities.isnan().all()) == (output == "regression")


def hub(root, name, folder, commit="0123456789abcdef0123456789abcdef01234567"):
    """Lay the folder out as the hub's cache does."""
    home = root / f"models--{name.replace('/', '--')}"
    shutil.copytree(folder, home / "snapshots" / commit)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(commit)


def test_a_name_is_found_in_the_cache_of_the_hub(tmp_path, monkeypatch, inputs):
    folder = save(tmp_path / "model", "ConvNextConfig")
    hub(tmp_path / "hub", "birders/tiny-convnext", folder)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    loaded = load_model("hf:birders/tiny-convnext")
    assert loaded.source == "hf:birders/tiny-convnext"
    assert loaded.preprocessing.size == (64, 64)
    assert loaded.weights_hash() == load_model(f"hf:{folder}").weights_hash()


def test_a_name_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="nobody/nothing") as caught:
        load_model("hf:nobody/nothing")
    assert "\n" not in str(caught.value)


@pytest.fixture
def no_client(tmp_path, monkeypatch):
    """An empty cache, and a client of the hub that must not be asked."""

    def refuse(*_, **__):
        raise AssertionError("the hub's client was asked")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.file_download.get_hf_file_metadata", refuse)


def test_a_hub_that_does_not_answer_is_asked_once(no_client, monkeypatch):
    """Its own client would try six times, for half a minute."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        monkeypatch.setattr(
            "huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        start = time.monotonic()
        with pytest.raises(WeightsError, match=r"nobody/nothing.*not answer .*save_pretrained"):
            load_model("hf:nobody/nothing")
        assert time.monotonic() - start < 5


class Refusing(BaseHTTPRequestHandler):
    """A hub that is there but refuses everything."""

    def do_HEAD(self):
        self.send_error(403)

    def log_message(self, *_):
        """Say nothing."""


def test_a_hub_that_refuses_is_there(no_client, monkeypatch):
    with HTTPServer(("127.0.0.1", 0), Refusing) as hub:
        address = f"http://127.0.0.1:{hub.server_port}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
        thread = threading.Thread(target=hub.handle_request)
        thread.start()
        hugging_face._check_hub("nobody/nothing")
        thread.join()


def test_a_folder_never_needs_the_hub(no_client, tmp_path, monkeypatch):
    monkeypatch.setattr(hugging_face, "urlopen", lambda *_, **__: pytest.fail("asked"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError):
        load_model(f"hf:{tmp_path / 'empty'}")


def test_pickled_weights_are_refused(tmp_path):
    folder = save(tmp_path, "ResNetConfig")
    state = load_model(f"hf:{folder}").module.state_dict()
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="safetensors"):
        load_model(f"hf:{folder}")


def test_a_network_without_a_trained_head_is_refused(tmp_path):
    save(tmp_path, "ViTConfig")
    body = transformers.ViTModel.from_pretrained(tmp_path)
    body.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="classifier"):
        load_model(f"hf:{tmp_path}")


def test_what_is_no_image_classifier_is_refused(tmp_path):
    transformers.BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="bert"):
        load_model(f"hf:{tmp_path}")


def test_a_folder_without_a_processor_has_no_preprocessing(tmp_path):
    folder = save(tmp_path, "ResNetConfig")
    (folder / "preprocessor_config.json").unlink()
    assert load_model(f"hf:{folder}").preprocessing is None


def test_nothing_is_printed(tmp_path, capfd):
    load_model(f"hf:{save(tmp_path, 'ResNetConfig')}")
    capfd.readouterr()
    load_model(f"hf:{tmp_path}")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "processor",
    [
        lambda: transformers.ViTImageProcessor(size={"height": 32, "width": 40}),
        lambda: transformers.ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=0.8),
        lambda: transformers.ConvNextImageProcessor(size={"shortest_edge": 384}),
        transformers.DeiTImageProcessor,
        lambda: transformers.BitImageProcessor(size={"shortest_edge": 40}, crop_size=32),
        lambda: transformers.ViTImageProcessor(do_normalize=False, rescale_factor=1 / 127.5),
    ],
    ids=["vit", "convnext", "convnext 384", "deit", "bit", "scale alone"],
)
def test_pictures_are_prepared_as_the_image_processor_would(processor):
    small = torch.randint(0, 256, (9, 7, 3), generator=torch.Generator().manual_seed(1))
    picture = Image.fromarray(small.byte().numpy()).resize((200, 280), Image.Resampling.BICUBIC)
    theirs = processor()(picture, return_tensors="pt")["pixel_values"]
    ours = preprocessing_of(json.loads(processor().to_json_string()))(picture)
    assert ours.shape == theirs.shape
    apart = (ours - theirs).abs()
    assert apart.mean() < 0.02, "one step of 255 at most, and a pixel of rounding"
