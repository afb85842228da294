"""A picture becomes what the network was trained on: torchvision's and timm's own transforms."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torchvision import models

from regionwise import Preprocessing, load_model
from regionwise.errors import InputError

SIZES = [(300, 200), (200, 301), (224, 224), (97, 640)]


def picture(size, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b1", "swin_t", "inception_v3"])
@pytest.mark.parametrize("size", SIZES)
def test_torchvision_prepares_the_same(name, size):
    theirs = models.get_model_weights(name).DEFAULT.transforms()
    ours = ours_of(name)
    image = picture(size)
    assert torch.equal(ours(image)[0], theirs(image)) or (
        (ours(image)[0] - theirs(image)).abs().max() < 1e-6
    )


def ours_of(name):
    how = models.get_model_weights(name).DEFAULT.transforms()
    return Preprocessing(
        size=(how.crop_size[0],) * 2,
        resize=how.resize_size[0],
        mean=tuple(how.mean),
        std=tuple(how.std),
        interpolation=how.interpolation.value,
    )


def test_a_loaded_torchvision_model_brings_that_preprocessing():
    assert load_model("torchvision:resnet18", weights="random").preprocessing == ours_of("resnet18")


@pytest.mark.parametrize("name", ["mobilenetv3_small_050", "convnext_atto"])
@pytest.mark.parametrize("size", [(300, 200), (224, 260)])
def test_timm_prepares_the_same(name, size):
    loaded = load_model(f"timm:{name}", weights="random")
    config = resolve_data_config({}, model=loaded.module)
    theirs = create_transform(**config)
    image = picture(size)
    assert (loaded.preprocessing(image)[0] - theirs(image)).abs().max() < 1e-6


def test_timm_models_without_a_thousand_classes_have_no_names():
    module = timm.create_model("mobilenetv3_small_050", num_classes=7)
    assert load_model(module).class_names is None


def test_denormalize_undoes_normalize():
    how = Preprocessing()
    images = torch.rand(2, 3, 5, 7)
    assert torch.allclose(how.denormalize(how.normalize(images)), images, atol=1e-6)


def test_the_view_is_what_the_model_sees():
    how = Preprocessing(size=(32, 48), resize=64)
    view = how.view(picture((300, 200)))
    assert view.size == (48, 32)
    assert torch.allclose(
        how.denormalize(how(picture((300, 200))))[0].permute(1, 2, 0) * 255,
        torch.from_numpy(np.asarray(view).copy()).float(),
        atol=0.01,
    )


def test_without_resize_the_aspect_ratio_is_given_up():
    how = Preprocessing(size=(32, 48), resize=None)
    assert how.view(picture((300, 200))).size == (48, 32)


def test_several_pictures_make_a_batch():
    how = Preprocessing(size=(32, 32), resize=32)
    assert how([picture((40, 50)), picture((90, 33))]).shape == (2, 3, 32, 32)


def test_it_describes_itself_in_json():
    assert Preprocessing().describe() == {
        "size": [224, 224],
        "resize": 256,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "interpolation": "bilinear",
    }


@pytest.mark.parametrize(
    "wrong",
    [{"interpolation": "cubist"}, {"size": (0, 5)}, {"std": (0.0, 1.0, 1.0)}, {"mean": (0.5,)}],
)
def test_nonsense_is_refused(wrong):
    with pytest.raises(InputError):
        Preprocessing(**wrong)


def test_no_picture_is_refused():
    with pytest.raises(InputError, match="no picture"):
        Preprocessing()([])
