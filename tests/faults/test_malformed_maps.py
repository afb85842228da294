"""Maps and segments that were made elsewhere, with anything in their files."""

from __future__ import annotations

import io
import os
import pickle
import shutil
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from regionwise.attribution.foreign_maps import open_maps, read_map
from regionwise.attribution.foreign_names import foreign_name
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.benchmark.segments import with_segments
from regionwise.data.birds import write_birds
from regionwise.data.images import label_image
from regionwise.errors import DataError, RegionwiseError

from .corpus import varied, written
from .malformed import refused, spoiled


def npy(array: np.ndarray, *, allow_pickle: bool = False) -> bytes:
    held = io.BytesIO()
    np.save(held, array, allow_pickle=allow_pickle)
    return held.getvalue()


def headed(header: str) -> bytes:
    """Return an array file with a header of one's own."""
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(100)


def shaped(shape: str, kind: str = "'<f4'") -> bytes:
    return headed(f"{{'descr': {kind}, 'fortran_order': False, 'shape': ({shape}), }}")


def zipped() -> bytes:
    held = io.BytesIO()
    np.savez(held, a=np.ones((3, 3)))
    return held.getvalue()


GOOD = npy(np.random.default_rng(0).random((6, 5)).astype(np.float32))
BAD = {
    "zip": zipped(),
    "half a zip": zipped()[:-20],
    "a zip's mark": b"PK\x03\x04",
    "nothing": b"",
    "a mark": b"\x93NUMPY",
    "a pickle": pickle.dumps([1, 2]),
    "objects": npy(np.array([[None]]), allow_pickle=True),
    "objects by header": shaped("3, 3", "'|O'"),
    "objects inside": shaped("3, 3", "[('a', 'O')]"),
    "text": npy(np.array([["a"]])),
    "complex": npy(np.zeros((2, 2), complex)),
    "times": npy(np.zeros((2, 2), "M8[s]")),
    "records": npy(np.zeros((2, 2), [("a", int)])),
    "a line": npy(np.zeros(3)),
    "no rows": npy(np.zeros((0, 4))),
    "NaN": npy(np.full((2, 2), np.nan)),
    "beyond double": npy(np.full((2, 2), np.longdouble("1e4000"))),
    "huge": shaped("10000000000, 10000000"),
    "negative": shaped("-1, 4"),
    "a huge number": shaped("99999999999999999999999, 1"),
    "nested": shaped("(1, 2), 3"),
    "a wide type": shaped("3, 3", "'<f999999999999'"),
    "code": headed("__import__('os').system('touch ran')"),
    "open brackets": headed("(" * 90),
    "no version": b"\x93NUMPY\x09\x00" + bytes(20),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_map_that_is_none(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.npy").write_bytes(BAD[kind])
    with pytest.raises(DataError, match=r"x.npy"):
        read_map(tmp_path / "x.npy")
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]


def test_maps_with_altered_bytes(tmp_path):
    path = tmp_path / "x.npy"
    contents = [*spoiled(GOOD, 300, seed=1), *spoiled(zipped(), 100, seed=2)]
    contents += [head + GOOD[128:] for head in spoiled(GOOD[:128], 300, seed=3)]
    found = []
    for content in contents:
        path.write_bytes(content)
        found.append(refused(lambda: read_map(path), path))
    assert 300 < sum(found) < len(found)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.npy"
    path.write_bytes(content)
    assert refused(lambda: read_map(path), path)
    path.write_bytes(GOOD[:10] + content)
    refused(lambda: read_map(path), path)


def test_a_folder_of_rotten_maps_with_links_and_pipes(tmp_path):
    folder = tmp_path / "maps"
    folder.mkdir()
    os.mkfifo(folder / "pipe.npy")
    (folder / "loop.npy").symlink_to("loop.npy")
    (folder / "folder.npy").mkdir()
    (folder / "up").symlink_to(folder)
    assert refused(lambda: open_maps(foreign_name(f"maps:{folder}")), folder)
    (folder / "x.npy").write_bytes(b"rotten")
    assert open_maps(foreign_name(f"maps:{folder}")).by_class is False


@pytest.fixture(scope="module")
def birds(tmp_path_factory) -> Path:
    return write_birds(
        tmp_path_factory.mktemp("maps") / "birds", classes=3, images_per_class=2, size=32
    )


def test_a_benchmark_of_rotten_maps_says_so_and_does_the_rest(run, nets, birds, tmp_path):
    pictures = read_benchmark_data(f"birds:{birds}").pictures
    for number, picture in enumerate(pictures):
        path = tmp_path / "maps" / f"{picture.name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(BAD["zip"] if number else GOOD)
    (tmp_path / "r.toml").write_text(
        'chunk = 1\n[[methods]]\nuse = ["random"]\n[[metrics]]\nuse = ["area"]\n'
        "[cost]\nimages = 0\n"
    )
    options = ("--data", f"birds:{birds}", "--model", f"{nets}:net", "--out", "out")
    ended = run("benchmark", "r.toml", *options, "--maps", "maps")
    assert "Traceback" not in ended.err
    assert ended.code == 1, ended.err
    assert ended.err.count("is no array of real numbers") == len(pictures) - 1
    assert f"{len(pictures) - 1} errors" in ended.out


SEGMENTS = {**written(), **varied()}


@pytest.mark.parametrize("seed", range(3))
def test_segments_with_altered_bytes(tmp_path, seed):
    path = tmp_path / "x.png"
    for content in spoiled(SEGMENTS["PNG P"], 80, seed=seed):
        path.write_bytes(content)
        refused(lambda: label_image(path), path)


def test_a_folder_of_segments_that_is_none(tmp_path, birds):
    data = read_benchmark_data(f"birds:{birds}")
    assert refused(lambda: with_segments(data, tmp_path / "nowhere"), "nowhere")
    assert refused(lambda: with_segments(data, tmp_path), tmp_path)
    for picture in data.pictures:
        path = (tmp_path / picture.name).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"rotten")
    assert refused(lambda: with_segments(data, tmp_path), tmp_path)
    (tmp_path / "names.txt").write_bytes(b"\xff\xfe")
    assert refused(lambda: with_segments(data, tmp_path), "names.txt")
    (tmp_path / "names.txt").write_text("nucleus\nnucleus\n")
    assert refused(lambda: with_segments(data, tmp_path), "names.txt")
    shutil.rmtree(tmp_path / "names.txt", ignore_errors=True)


def test_errors_are_on_purpose():
    assert issubclass(DataError, RegionwiseError)
