"""Bad input: one line that names the value and the fix, code 2, and nothing written."""

from __future__ import annotations

import json
from pathlib import Path
from zlib import crc32

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from .conftest import draw


def refused(ended, *says: str) -> None:
    """Hold that a command ended with one plain line and left nothing behind."""
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err
    assert all(text in ended.err for text in says), ended.err
    assert not Path("out").exists()


def bad_image(kind: str) -> str:
    """Write a file that is no usable picture and return its name."""
    name = f"{kind}.png"
    whole = draw(Path("whole.png"), size=(90, 90)).read_bytes()
    contents = {"text": b"no picture", "empty": b"", "truncated": whole[: len(whole) // 2]}
    if kind in contents:
        Path(name).write_bytes(contents[kind])
    elif kind == "tiny":
        Image.new("RGB", (1, 1)).save(name)
    elif kind == "bomb":
        header = b"IHDR" + 2 * (30_000).to_bytes(4, "big") + whole[24:29]
        checked = header + crc32(header).to_bytes(4, "big")
        Path(name).write_bytes(whole[:12] + checked + whole[33:])
    return name


KINDS = {
    "text": "not an image",
    "empty": "is empty",
    "truncated": "damaged or cut short",
    "tiny": "1 x 1 pixels",
    "bomb": "decompression bomb",
    "missing": "does not exist",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_single_bad_image(explain, kind):
    refused(explain(bad_image(kind)), f"{kind}.png", KINDS[kind])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 8])
def test_among_many_a_bad_image_is_reported_and_the_rest_is_done(explain, pictures, kind, size):
    name = bad_image(kind)
    ended = explain(pictures / "a.png", name, pictures / "b.jpg", "--batch-size", size)
    assert ended.code == 1
    assert ended.err.startswith("skipped: ")
    assert ended.err.count("\n") == 1
    assert name in ended.err
    assert ended.out == "2 images explained by 1 method, 1 skipped: out/sheet.png\n"
    told = json.loads(Path("out/manifest.json").read_text())
    assert [image["folder"] for image in told["images"]] == ["a", "b"]
    assert [failure["source"] for failure in told["failed"]] == [name]
    assert KINDS[kind] in told["failed"][0]["reason"]


def test_when_all_of_many_are_bad(explain):
    ended = explain(*(bad_image(kind) for kind in KINDS))
    assert ended.code == 2
    assert ended.err.count("skipped: ") == len(KINDS)
    assert ended.err.splitlines()[-1].startswith(f"error: none of {len(KINDS)} images")
    assert not Path("out").exists()


@pytest.mark.parametrize("argument", ["empty", "empty/*.png"])
def test_folders_and_patterns_without_images(explain, argument):
    Path("empty").mkdir()
    refused(explain(argument), repr(argument))


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("bird", "did you mean 'birds'"),
        ("torchvision:resnet81", "did you mean 'resnet18'"),
        ("timm:no-such-model-at-all", "timm has no model"),
        ("nowhere.py:net", "nowhere.py"),
        ("nets.py:nett", "did you mean 'net'"),
        ("nets.py:number", "int"),
        ("nets.py:broken", "first line second line"),
        ("nets.py:mlp", "spatial map"),
        ("nets.py:plain", "preprocessing"),
        ("nets.py:nan", "weight '0.weight' has NaN"),
    ],
)
def test_models(run, models, pictures, source, says):
    refused(run("explain", pictures, "--model", source, "--out", "out"), says)


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("gradcam", "did you mean 'grad-cam'"),
        ("score-cam++:activation=tahn", "one of tanh"),
        ("score-cam++:activatoin=tanh", "did you mean 'activation'"),
        ("grad-cam:", "ends in a colon"),
        ("", "unknown method ''"),
    ],
)
def test_methods(explain, pictures, without_shape_checks, method, says):
    refused(explain(pictures, methods=(method,)), says)


def test_a_method_that_does_not_apply(explain, pictures):
    refused(explain(pictures, model="curved", methods=("grad-cam", "cam")), "cam")


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("gold finch", "did you mean 'goldfinch'"),
        ("5", "target 5 is out of range: the model has classes 0 to 4"),
        ("-1", "target -1 is out of range"),
        ("top-9", "the model has 5 classes"),
        ("top-0", "top-0"),
    ],
)
def test_targets(explain, pictures, target, says):
    refused(explain(pictures, f"--target={target}"), says)


@pytest.mark.parametrize(("layer", "says"), [("9", "no layer '9'"), ("4", "layer '4'")])
def test_layers(explain, pictures, layer, says):
    refused(explain(pictures, "--layer", layer), says)


def test_fusing(explain, pictures):
    layers = ("--layer", "0", "--layer", "1")
    refused(explain(pictures, *layers, "--fuse", "min"), "mean, max, scaled-max")
    refused(explain(pictures, *layers, methods=("gradient",)), "'gradient' does not use a layer")


def test_a_device_that_is_not_there(explain, pictures):
    refused(explain(pictures, "--device", "abacus"), "no device 'abacus'")


def test_weights(explain, pictures, models):
    refused(explain(pictures, "--weights", "nothing.safetensors"), "nothing.safetensors")
    Path("text.safetensors").write_text("no weights")
    refused(explain(pictures, "--weights", "text.safetensors"), "text.safetensors")
    save_file({"0.weight": torch.zeros(2)}, "other.safetensors")
    refused(explain(pictures, "--weights", "other.safetensors"), "do not fit")


def test_nan_in_a_weights_file(explain, pictures):
    shapes = {"0.weight": (8, 3, 5, 5), "0.bias": (8,), "4.weight": (5, 8), "4.bias": (5,)}
    save_file({name: torch.full(s, float("nan")) for name, s in shapes.items()}, "n.safetensors")
    refused(explain(pictures, "--weights", "n.safetensors"), "'0.weight' has NaN")


def test_an_output_that_is_a_file(explain, pictures):
    Path("out").write_text("mine")
    ended = explain(pictures)
    assert ended.code == 2
    assert "'out' is a file" in ended.err
    assert Path("out").read_text() == "mine"


def test_an_output_below_a_file(run, models, pictures):
    Path("block").write_text("mine")
    ended = run("explain", pictures, "--model", f"{models}:net", "--out", "block/out")
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1
