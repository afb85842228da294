"""Two hundred broken files among whole ones, through ``regionwise explain``."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from regionwise.data.images import open_image
from regionwise.errors import ImageError

from .conftest import told_in_lines
from .corpus import TINY, broken, soft, varied, written


def readable(path: Path) -> bool:
    try:
        open_image(path)
    except ImageError:
        return False
    return True


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory) -> Path:
    """A folder of whole, cut, altered and empty files of all formats; made once."""
    folder = tmp_path_factory.mktemp("spoilt")
    files = {**written(TINY), **varied(TINY)}
    for number, (name, content) in enumerate(sorted(files.items())[::4]):
        cut = content[: len(content) * (number % 9) // 9]
        (folder / f"cut-{number:03}-{name.replace(' ', '-')}.png").write_bytes(cut)
    for name, content in broken(seed=3, count=150):
        (folder / f"{name}.png").write_bytes(content)
    (folder / "folder.png").mkdir()
    for number in range(10):
        soft("RGB", seed=number).save(folder / f"whole-{number}.png")
    assert len(list(folder.iterdir())) > 200
    return folder


@pytest.mark.parametrize("size", [16])
def test_each_is_explained_or_refused_by_name_and_the_rest_is_done(explain, spoilt, size):
    files = sorted(path for path in spoilt.iterdir() if path.is_file())
    good = {str(path) for path in files if readable(path)}
    assert len(files) > 200
    assert 10 < len(good) < len(files) - 60
    ended = explain(*files, "--batch-size", size)
    told_in_lines(ended)
    assert ended.code == 1
    record = json.loads(Path("out/manifest.json").read_text())
    assert {image["source"] for image in record["images"]} == good
    failed = {failure["source"] for failure in record["failed"]}
    assert failed == {str(path) for path in files} - good
    lines = ended.err.splitlines()
    assert len(lines) == len(failed)
    for path in failed:
        assert sum(Path(path).name in line for line in lines) == 1
    assert f"{len(good)} images explained by 1 method, {len(failed)} skipped" in ended.out


def test_the_maps_are_those_of_each_image_alone(explain, spoilt):
    """What stands beside an image in its batch, broken or not, changes no number of it."""
    names = ["whole-1.png", "cut-003", "whole-2.png"]
    files = [next(iter(sorted(spoilt.glob(f"{name}*")))) for name in names]
    assert explain(*files, "--batch-size", 8).code == 1
    found = [np.load(f"out/{name}/cam.npz") for name in ("whole-1", "whole-2")]
    assert explain(files[0], files[2], "--batch-size", 1, "--overwrite").code == 0
    alone = [np.load(f"out/{name}/cam.npz") for name in ("whole-1", "whole-2")]
    assert explain(*files, "--batch-size", 1, "--overwrite").code == 1
    again = [np.load(f"out/{name}/cam.npz") for name in ("whole-1", "whole-2")]
    for one, other, same in zip(found, alone, again, strict=True):
        for key in one.files:
            assert np.allclose(one[key], other[key], rtol=1e-5, atol=1e-6), key
            assert np.array_equal(same[key], other[key]), key


def test_formats_that_run_programs_are_never_opened(explain, whole, tmp_path):
    program = (
        "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\n(%pipe%touch ran)\n"
    )
    (tmp_path / "x.eps").write_text(program)
    (tmp_path / "y.png").write_text(program)
    ended = explain("x.eps", "y.png", whole)
    told_in_lines(ended)
    assert ended.code == 1
    assert ended.err.count("is not an image that Pillow can read") == 2
    assert not Path("ran").exists()


def test_archives_of_which_one_is_broken(explain, tmp_path):
    """The others are explained as ever; what is lost is told by the archive's name, and counted."""
    for number in range(3):
        with tarfile.open(tmp_path / f"s-{number}.tar", "w") as tar:
            for seed in (2 * number, 2 * number + 1):
                held = io.BytesIO()
                soft("RGB", (48, 40), seed=seed).save(held, "PNG")
                info = tarfile.TarInfo(f"bird-{seed}.png")
                info.size = len(held.getvalue())
                tar.addfile(info, io.BytesIO(held.getvalue()))
    assert explain("s-{0..2}.tar").code == 0
    whole = {n: np.load(f"out/bird-{n}/cam.npz")["map"] for n in range(6)}
    content = (tmp_path / "s-1.tar").read_bytes()
    (tmp_path / "s-1.tar").write_bytes(content[: len(content) - 10240 + 4096])
    (tmp_path / "s-2.tar").unlink()
    shutil.rmtree("out")
    ended = explain("s-{0..2}.tar", "--batch-size", 2)
    told_in_lines(ended)
    assert ended.code == 1
    record = json.loads(Path("out/manifest.json").read_text())
    done = [int(image["folder"].removeprefix("bird-")) for image in record["images"]]
    assert done[:2] == [0, 1]
    assert {Path(one["source"]).name for one in record["failed"]} >= {"s-1.tar", "s-2.tar"}
    assert f"{len(done)} images explained by 1 method, {len(record['failed'])} skip" in ended.out
    for number in done:
        assert np.allclose(np.load(f"out/bird-{number}/cam.npz")["map"], whole[number], rtol=1e-5)
