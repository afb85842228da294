"""Folders of Hugging Face with anything in their files: refused by name, and no code of theirs."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from regionwise import load_model
from regionwise.errors import ModelError

transformers = pytest.importorskip("transformers")

BAD = {
    "config.json": [
        *("[" * 100_000, "", "null", "[]", '{"model_type": "resnet", "num_labels": -3}'),
        *('{"model_type": "resnet", "num_labels": 1e30}', '{"model_type": "nonesuch"}'),
        *('{"model_type": "resnet", "hidden_sizes": "abc"}', "\ud83d"),
        '{"model_type": "resnet", "id2label": {"x": 2}}',
    ],
    "model.safetensors": ["", "x" * 100, "\x10" + "\0" * 7 + "{" * 16, "x"],
    "preprocessor_config.json": [
        *("[" * 100_000, "[]", "null", '{"image_processor_type": 3}'),
        '{"image_processor_type": "ConvNextImageProcessor", "size": "x"}',
        '{"image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": -4}}',
        '{"image_processor_type": "ConvNextImageProcessor", "image_mean": [1], "image_std": [0]}',
    ],
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """A whole folder, made once."""
    folder = tmp_path_factory.mktemp("hf") / "net"
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 8], "depths": [1, 1], "num_labels": 3}
    config = transformers.ResNetConfig(**sizes)
    transformers.ResNetForImageClassification(config).save_pretrained(folder)
    transformers.ConvNextImageProcessor(size={"shortest_edge": 32}).save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path) -> Path:
    return shutil.copytree(saved, tmp_path / "net")


@pytest.mark.parametrize("name", BAD)
def test_a_damaged_file_is_refused_in_one_line(folder, name):
    assert load_model(f"hf:{folder}").preprocessing is not None
    for content in BAD[name]:
        (folder / name).write_bytes(content.encode(errors="surrogatepass"))
        with pytest.raises(ModelError) as caught:
            load_model(f"hf:{folder}")
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json"])
@pytest.mark.parametrize("kind", ["known", "unknown"])
def test_code_beside_the_weights_does_not_run(folder, name, kind):
    sign = folder / "ran"
    (folder / "evil.py").write_text(f"open({str(sign)!r}, 'w').close()\n")
    told = json.loads((folder / name).read_text())
    autos = ("AutoConfig", "AutoModelForImageClassification", "AutoImageProcessor")
    told["auto_map"] = dict.fromkeys(autos, "evil.Evil")
    if kind == "unknown":
        told["model_type" if name == "config.json" else "image_processor_type"] = "Nonesuch"
    (folder / name).write_text(json.dumps(told))
    with suppress(ModelError):
        load_model(f"hf:{folder}")
    assert not sign.exists()


def test_a_name_longer_than_any_path_is_no_model():
    with pytest.raises(ModelError, match="unknown model"):
        load_model("x" * 5000)
