"""Pretrained weights of torchvision and timm, found where a download would have left them."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torchvision import models

from regionwise import load_model
from regionwise.errors import WeightsError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_torchvision_takes_weights_that_were_downloaded_before(tmp_path, monkeypatch):
    torch.manual_seed(31)
    fetched = models.squeezenet1_1(weights=None)
    url = models.SqueezeNet1_1_Weights.DEFAULT.url
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(fetched.state_dict(), folder / Path(url).name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    loaded = load_model("torchvision:squeezenet1_1")
    assert loaded.weights == "pretrained"
    for name, tensor in loaded.module.state_dict().items():
        assert torch.equal(tensor, fetched.state_dict()[name])


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def test_timm_takes_weights_from_the_cache_of_the_hub(cache):
    torch.manual_seed(32)
    fetched = timm.create_model("mobilenetv3_small_050", pretrained=False)
    home = cache / f"models--{fetched.pretrained_cfg['hf_hub_id'].replace('/', '--')}"
    (home / "snapshots" / COMMIT).mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    save_file(fetched.state_dict(), home / "snapshots" / COMMIT / "model.safetensors")
    loaded = load_model("timm:mobilenetv3_small_050")
    assert loaded.weights == "pretrained"
    for name, tensor in loaded.module.state_dict().items():
        assert torch.equal(tensor, fetched.state_dict()[name])


@pytest.mark.usefixtures("cache")
def test_timm_weights_that_cannot_be_fetched_are_one_line():
    with pytest.raises(WeightsError, match="weights='random'") as caught:
        load_model("timm:mobilenetv3_small_050")
    assert "\n" not in str(caught.value)
