"""A batch of images in one file: what is read back is what its folders would have held."""

from __future__ import annotations

import json
import tarfile
from io import BytesIO

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import nn

from regionwise.attribution.explain import explain_all
from regionwise.errors import SettingError
from regionwise.models.classifier import Classifier
from regionwise.report.gallery import image_files, split_batch
from regionwise.report.manifest import image_record
from regionwise.report.shards import Form, Kept, check_format

FOLDERS = ("wren", "a.b", "a_b")


@pytest.fixture(scope="module")
def kept() -> list[Kept]:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    classifier = Classifier(nn.Sequential(*layers, nn.Linear(8, 5)), class_names=tuple("abcde"))
    inputs = torch.rand(3, 3, 32, 24, generator=torch.Generator().manual_seed(1))
    split = split_batch(explain_all(classifier, inputs, ["cam", "gradient"], "top-2"))
    return [
        Kept(folder, image_record(one, source=f"{folder}.jpg", folder=folder, files=()), one)
        for folder, one in zip(FOLDERS, split, strict=True)
    ]


def test_a_folder_for_each_image(kept):
    found = Form("files").files(kept, 3)
    assert found == {one.folder: image_files(one.explained) for one in kept}


def test_a_tar_in_which_every_image_is_a_sample(kept):
    """As WebDataset groups them: by the name up to its first dot."""
    content = Form("webdataset").files(kept, 3)["shards"]["0000003.tar"]
    assert content == Form("webdataset").files(kept, 3)["shards"]["0000003.tar"]
    samples: dict[str, dict[str, bytes]] = {}
    with tarfile.open(fileobj=BytesIO(content)) as tar:
        for member in tar:
            key, _, ending = member.name.partition(".")
            samples.setdefault(key, {})[ending] = tar.extractfile(member).read()
    assert list(samples) == ["wren", "a_b", "a_b-2"]
    for sample, one in zip(samples.values(), kept, strict=True):
        assert json.loads(sample.pop("json")) == one.record
        assert sample == image_files(one.explained)


def test_a_table_with_a_row_for_each_image_and_method(kept):
    content = Form("parquet").files(kept, 3)["shards"]["0000003.parquet"]
    assert content == Form("parquet").files(kept, 3)["shards"]["0000003.parquet"]
    rows = pq.read_table(BytesIO(content)).to_pylist()
    assert [(row["image"], row["method"]) for row in rows] == [
        (folder, method) for folder in FOLDERS for method in ("cam", "gradient")
    ]
    for row in rows:
        one = kept[FOLDERS.index(row["image"])]
        files = image_files(one.explained)
        assert row["picture"]["bytes"] == files[row["picture"]["path"]]
        assert Image.open(BytesIO(row["picture"]["bytes"])).size[0] > 24
        assert row["source"] == one.record["source"]
        assert row["targets"] == one.record["targets"]
        assert row["predicted"] == one.record["predicted"]["name"]
        arrays = np.load(BytesIO(files[f"{row['method']}.npz"]))
        for name in ("map", "saliency"):
            found = np.array(row[name], np.float32).reshape(row[f"{name}_shape"])
            assert np.array_equal(found, arrays[name])


def test_a_batch_of_which_nothing_could_be_explained_has_no_shard():
    assert Form("parquet").files([], 3) == Form("files").files([], 3) == {}


def test_a_format_that_is_none_and_one_that_lacks_its_package(monkeypatch):
    with pytest.raises(SettingError, match="no format 'parket': did you mean 'parquet'"):
        check_format("parket")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    check_format("webdataset")
    with pytest.raises(SettingError, match=r"pip install 'regionwise\[benchmark\]'"):
        check_format("parquet")


@pytest.mark.parametrize("form", ["files", "webdataset", "parquet"])
def test_maps_without_pictures(kept, form):
    found = Form(form, pictures=False).files(kept, 3)
    if form == "files":
        assert set(found["wren"]) == {"cam.npz", "gradient.npz"}
    elif form == "webdataset":
        with tarfile.open(fileobj=BytesIO(found["shards"]["0000003.tar"])) as tar:
            assert {name.rpartition(".")[2] for name in tar.getnames()} == {"npz", "json"}
    else:
        table = pq.read_table(BytesIO(found["shards"]["0000003.parquet"]))
        assert table["picture"].null_count == len(table) == 6
