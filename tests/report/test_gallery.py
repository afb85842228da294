"""From attributions to what is shown of each image, without the command around it."""

from __future__ import annotations

import json
from io import BytesIO

import numpy as np
import pytest
import torch
from torch import nn

from regionwise.attribution.explain import explain_all
from regionwise.errors import InputError, OutputError
from regionwise.models.classifier import Classifier
from regionwise.report.gallery import image_files, sheet_rows, split_batch
from regionwise.report.manifest import image_record
from regionwise.report.writing import check_folder, write_together


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return Classifier(nn.Sequential(*layers, nn.Linear(8, 5)), class_names=tuple("abcde"))


@pytest.fixture
def inputs():
    return torch.rand(3, 3, 32, 24, generator=torch.Generator().manual_seed(1))


def test_each_image_gets_its_own_rows_of_every_array(classifier, inputs):
    found = explain_all(classifier, inputs, ["cam", "gradient"], "top-2")
    split = split_batch(found)
    assert len(split) == 3
    for n, one in enumerate(split):
        assert np.array_equal(one.image, np.rint(inputs[n].permute(1, 2, 0).numpy() * 255))
        assert one.first.top[0] == found["cam"].top[n]
        files = image_files(one)
        assert set(files) == {"cam.png", "cam.npz", "gradient.png", "gradient.npz"}
        for method, attribution in found.items():
            with np.load(BytesIO(files[f"{method}.npz"])) as arrays:
                assert np.array_equal(arrays["map"], attribution.maps[n].numpy())
                assert np.array_equal(arrays["saliency"], attribution.saliency()[n].numpy())
                assert np.array_equal(arrays["target"], attribution.targets[n].numpy())
                assert np.array_equal(arrays["score"], attribution.scores[n].numpy())


def test_rows_name_the_target_and_only_the_first_names_the_file(classifier, inputs):
    one = split_batch(explain_all(classifier, inputs, ["cam", "gradient"], "top-2"))[0]
    first, second = sheet_rows(one, "wren.png")
    assert (first.source, first.continues) == ("wren.png", False)
    assert (second.source, second.continues) == ("", True)
    assert (first.name, second.name) == one.first.target_names[0]
    assert len(first.cells) == len(second.cells) == 2
    assert first.probability == pytest.approx(one.first.top[0][1])


def test_a_score_function_has_no_class_and_no_probability(classifier, inputs):
    one = split_batch(explain_all(classifier, inputs, ["grad-cam"], lambda logits: logits[:, 0]))[0]
    record = image_record(one, source="x.png", folder="x", files=["x/a.npz"])
    assert record["targets"][0]["index"] is None
    assert record["targets"][0]["probability"] is None
    json.dumps(record, allow_nan=False)
    assert sheet_rows(one, "x.png")[0].probability is None


def test_half_precision_is_shown_too(classifier, inputs):
    classifier.module.bfloat16()
    one = split_batch(explain_all(classifier, inputs.bfloat16(), ["grad-cam"]))[0]
    with np.load(BytesIO(image_files(one)["grad-cam.npz"])) as arrays:
        assert arrays["map"].dtype == np.float32


def test_inputs_that_nobody_can_show_are_refused(classifier, inputs):
    with pytest.raises(InputError, match="not known"):
        split_batch(explain_all(classifier, inputs * 4 - 2, ["cam"]))
    with pytest.raises(InputError, match="no attribution"):
        split_batch({})


def test_files_are_written_together_or_not_at_all(tmp_path):
    (tmp_path / "x" / "b").mkdir(parents=True)
    with pytest.raises(OutputError):
        write_together(tmp_path / "x", {"a": b"1", "b": b"2"})
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["b"]


def test_folders_are_checked_without_writing(tmp_path):
    check_folder(tmp_path / "new", overwrite=False)
    assert not (tmp_path / "new").exists()
    (tmp_path / "x").touch()
    check_folder(tmp_path, overwrite=True)
    with pytest.raises(OutputError, match="not empty"):
        check_folder(tmp_path, overwrite=False)
    with pytest.raises(OutputError, match="is a file"):
        check_folder(tmp_path / "x", overwrite=True)
    with pytest.raises(OutputError, match=r"is a file|cannot use|Not a directory"):
        check_folder(tmp_path / "x" / "y", overwrite=False)
