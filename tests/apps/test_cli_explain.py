"""What ``regionwise explain`` leaves behind: complete, named well, and the same every time."""

from __future__ import annotations

import json
import os
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from .conftest import draw

EVERYTHING = ("cam", "grad-cam", "score-cam++:activation=mish", "gradient", "random", "centre")


def names(folder: Path) -> list[str]:
    """List all files below ``folder``."""
    return sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())


def manifest(folder: str = "out") -> dict:
    return json.loads((Path(folder) / "manifest.json").read_text())


def contents(folder: str = "out") -> dict[str, bytes]:
    return {name: (Path(folder) / name).read_bytes() for name in names(Path(folder))}


def test_each_image_gets_a_folder_with_a_picture_and_a_map_of_each_method(explain, pictures):
    ended = explain(pictures, methods=EVERYTHING)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "3 images explained by 6 methods: out/sheet.png\n"
    stems = ["cam", "centre", "grad-cam", "gradient", "random", "score-cam++,activation=mish"]
    files = [
        f"{image}/{stem}{end}" for image in "abc" for stem in stems for end in (".npz", ".png")
    ]
    assert names(Path("out")) == sorted([*files, "manifest.json", "sheet.png"])
    for name in files:
        if name.endswith(".png"):
            with Image.open(Path("out") / name) as picture:
                assert picture.mode == "RGB"
                assert picture.width > 600


def test_the_arrays(explain, pictures):
    explain(pictures / "a.png", "--target", "top-2", methods=("grad-cam", "gradient"))
    with np.load("out/a/grad-cam.npz") as arrays:
        assert set(arrays) == {"map", "saliency", "target", "score", "probability"}
        assert arrays["map"].shape == (2, 7, 7)
        assert arrays["saliency"].shape == (2, 32, 32)
        assert arrays["saliency"].min() >= 0
        assert arrays["saliency"].max() <= 1
        assert arrays["target"].dtype == np.int64
        assert arrays["score"][0] > arrays["score"][1]
        assert 0 < arrays["probability"][1] < arrays["probability"][0] < 1
        kept = arrays["target"].tolist()
    with np.load("out/a/gradient.npz") as arrays:
        assert arrays["map"].shape == (2, 32, 32)
        assert arrays["target"].tolist() == kept


def test_two_targets_give_two_panels_and_two_rows(explain, pictures):
    explain(pictures / "a.png")
    with Image.open("out/sheet.png") as sheet, Image.open("out/a/cam.png") as panel:
        one = sheet.height, panel.width
    explain(pictures / "a.png", "--target", "top-2", "--overwrite")
    with Image.open("out/sheet.png") as sheet, Image.open("out/a/cam.png") as panel:
        assert sheet.height > one[0] + 300
        assert panel.width > 1.8 * one[1]
    targets = manifest()["images"][0]["targets"]
    assert len({target["name"] for target in targets}) == 2
    assert targets[0]["probability"] > targets[1]["probability"]


def test_a_class_by_name(explain, pictures):
    explain(pictures / "a.png", "--target", "goldfinch")
    target = manifest()["images"][0]["targets"][0]
    assert (target["name"], target["index"]) == ("goldfinch", 2)


def test_the_manifest_says_how_it_was_made(explain, pictures):
    explain(pictures, methods=("score-cam", "random"))
    told = manifest()
    assert set(told["versions"]) == {"regionwise", "python", "torch", "numpy", "pillow"}
    assert told["model"]["source"].endswith("nets.py:net")
    assert len(told["model"]["weights_sha256"]) == 64
    assert told["model"]["preprocessing"]["size"] == [32, 32]
    assert told["layer"] == "1"
    assert [method["id"] for method in told["methods"]] == ["score-cam", "random"]
    assert told["methods"][0]["settings"]["variant"] == "code"
    first = told["images"][0]
    assert first["source"] == str(pictures / "a.png")
    assert set(first["predicted"]) == {"name", "probability"}
    assert all((Path("out") / name).is_file() for name in first["files"])
    assert told["failed"] == []
    assert told["sheet"] == {"file": "sheet.png", "images": 3, "left_out": 0}


def test_the_manifest_is_written_last(explain, pictures, monkeypatch):
    written: list[str] = []
    replace = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda self, to: (written.append(Path(to).name), replace(self, to))[1]
    )
    explain(pictures)
    assert written[-2:] == ["sheet.png", "manifest.json"]
    assert len(written) == 3 * 2 + 2


def test_the_same_bytes_every_time_and_in_any_batch(explain, pictures):
    explain(pictures, methods=("cam", "random"))
    first = contents()
    explain(pictures, "--overwrite", methods=("cam", "random"))
    assert contents() == first
    explain(pictures, "--overwrite", "--batch-size", 1, methods=("cam", "random"))
    told = {name for name, content in contents().items() if content != first[name]}
    assert not {name for name in told if name.endswith(".png")}


def test_equal_names_do_not_overwrite_each_other(explain, tmp_path):
    for seed, name in enumerate(("x/wren.png", "y/wren.jpg", "z/Wren.png")):
        draw(tmp_path / name, seed)
    draw(tmp_path / "sheet.png.png")
    assert explain(tmp_path / "x", "y/*.jpg", "z", "sheet.png.png").code == 0
    folders = [image["folder"] for image in manifest()["images"]]
    assert folders == ["wren", "wren-2", "Wren-3", "sheet.png-2"]


def test_one_image_given_thrice_is_explained_once(explain, pictures):
    ended = explain(pictures / "a.png", "pics/a.png", "pics/*.png")
    assert ended.out.startswith("1 image explained by 1 method:")


def test_a_folder_with_results_is_refused_unless_overwritten(explain, pictures):
    explain(pictures)
    Path("out/mine.txt").write_text("notes")
    before = contents()
    refused = explain(pictures / "a.png", "--target", "goldfinch")
    assert refused.code == 2
    assert "'out' is not empty" in refused.err
    assert "--overwrite" in refused.err
    assert contents() == before
    assert explain(pictures / "a.png", "--target", "goldfinch", "--overwrite").code == 0
    after = contents()
    assert after["mine.txt"] == b"notes"
    assert after["b/cam.png"] == before["b/cam.png"]
    assert after["a/cam.png"] != before["a/cam.png"]
    assert len(manifest()["images"]) == 1


def test_an_empty_folder_is_taken(explain, pictures):
    Path("out").mkdir()
    assert explain(pictures).code == 0


def test_earlier_results_are_not_explained_in_turn(explain, pictures):
    explain(pictures)
    assert explain(".", "--overwrite").code == 0
    assert len(manifest()["images"]) == 3
    ended = explain("out", "--overwrite")
    assert ended.code == 2
    assert "lie in the output folder 'out'" in ended.err


def test_a_seed_reaches_the_methods_that_draw_and_no_others(explain, pictures):
    explain(pictures / "a.png", "--seed", 7, methods=("cam", "random"))
    assert [method["id"] for method in manifest()["methods"]] == ["cam", "random:seed=7"]
    explain(pictures / "a.png", "--seed", 7, "--overwrite", methods=("random:seed=0",))
    assert [method["id"] for method in manifest()["methods"]] == ["random"]


def test_a_long_list_makes_a_sheet_of_the_first_twelve(explain, tmp_path):
    for seed in range(14):
        draw(tmp_path / "many" / f"{seed:02d}.png", seed)
    assert explain("many").code == 0
    assert manifest()["sheet"] == {"file": "sheet.png", "images": 12, "left_out": 2}
    assert len(manifest()["images"]) == 14


def test_a_blank_map_is_told_and_shown_as_such(explain, tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "black.png")
    ended = explain("black.png", "--target", "top-5", methods=("grad-cam", "edges"))
    assert ended.code == 0
    flags = manifest()["images"][0]["flags"]
    assert ["no positive evidence"] in flags["grad-cam"]
    with np.load("out/black/grad-cam.npz") as arrays:
        assert np.isfinite(arrays["map"]).all()


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16"])
def test_every_kind_of_picture_is_explained(explain, tmp_path, mode):
    name = "x.tif" if mode == "CMYK" else "x.png"
    picture = Image.open(draw(tmp_path / "rgb.png"))
    converted = picture.convert("L").convert("I;16") if mode == "I;16" else picture.convert(mode)
    converted.save(tmp_path / name)
    assert explain(name).code == 0


def test_a_file_name_that_is_no_utf8_is_written_about_all_the_same(explain, pictures):
    odd = Path(os.fsdecode(b"w\xffren \n.png"))
    odd.write_bytes((pictures / "a.png").read_bytes())
    Path(os.fsdecode(b"bad\xff.png")).touch()
    assert explain(odd, os.fsdecode(b"bad\xff.png")).code == 1
    told = manifest()
    assert told["images"][0]["source"] == "w\ufffdren \n.png"
    assert told["failed"][0]["source"] == "bad\ufffd.png"
    assert all((Path("out") / name).is_file() for name in told["images"][0]["files"])


def test_several_layers_are_fused(explain, pictures):
    layers = ("--layer", "0", "--layer", "1", "--fuse", "max")
    ended = explain(pictures / "a.png", *layers, methods=("grad-cam",))
    assert ended.code == 0
    told = manifest()
    assert (told["layer"], told["fuse"]) == ("0 + 1", "max")
    with np.load("out/a/grad-cam.npz") as arrays:
        assert arrays["map"].max() == 1
        fused = arrays["map"]
    explain(pictures / "a.png", *layers[:-1], "mean", "--overwrite", methods=("grad-cam",))
    assert manifest()["fuse"] == "mean"
    with np.load("out/a/grad-cam.npz") as arrays:
        assert not np.array_equal(arrays["map"], fused)
    explain(pictures / "a.png", "--layer", "0", "--overwrite", methods=("grad-cam",))
    assert (manifest()["layer"], manifest()["fuse"]) == ("0", None)


@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_all_of_a_batch_in_one_file(explain, pictures, form):
    """The maps are those of the folders, and the images of a shard can be explained again."""
    assert explain(pictures, "--batch-size", 2).code == 0
    Path("out").rename("folders")
    ended = explain(pictures, "--batch-size", 2, "--format", form)
    assert (ended.code, ended.err) == (0, "")
    ending = {"webdataset": "tar", "parquet": "parquet"}[form]
    shards = [f"shards/000000{number}.{ending}" for number in (0, 1)]
    files = sorted(str(p.relative_to("out")) for p in Path("out").rglob("*") if p.is_file())
    assert files == ["manifest.json", *shards, "sheet.png"]
    told, before = (json.loads(Path(f"{f}/manifest.json").read_text()) for f in ("out", "folders"))
    assert [image["files"] for image in told["images"]] == [[shards[0]], [shards[0]], [shards[1]]]
    for image, other in zip(told["images"], before["images"], strict=True):
        assert {**image, "files": []} == {**other, "files": []}
    if form == "parquet":
        rows = [row for shard in shards for row in pq.read_table(f"out/{shard}").to_pylist()]
        maps = [np.array(row["map"], np.float32).reshape(row["map_shape"]) for row in rows]
    else:
        maps = []
        for shard in shards:
            with tarfile.open(f"out/{shard}") as tar:
                held = [tar.extractfile(m).read() for m in tar if m.name.endswith(".npz")]
            maps += [np.load(BytesIO(content))["map"] for content in held]
    for image, found in zip(before["images"], maps, strict=True):
        assert np.array_equal(found, np.load(f"folders/{image['folder']}/cam.npz")["map"])
    Path("out/shards").rename("shards")
    again = explain("shards", "--overwrite")
    assert again.code == 0, again.err
    assert "3 images explained" in again.out


def test_maps_alone(explain, pictures):
    assert explain(pictures, "--no-pictures").code == 0
    assert names(Path("out")) == [*(f"{i}/cam.npz" for i in "abc"), "manifest.json", "sheet.png"]
    assert [image["files"] for image in manifest()["images"]] == [[f"{i}/cam.npz"] for i in "abc"]


def test_a_format_that_is_none_is_refused_before_anything_is_loaded(explain, pictures):
    ended = explain(pictures, "--format", "zip")
    assert ended.code == 2
    assert "there is no format 'zip'" in ended.err
    assert not Path("out").exists()
