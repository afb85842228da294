"""Folders in CUB's layout with missing, doubled, contradicting lines and lines of no numbers."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from regionwise.benchmark.plan import units_of
from regionwise.benchmark.samples import BenchmarkData, read_benchmark_data
from regionwise.data.birds import write_birds
from regionwise.data.cub import read_cub

from .malformed import refused, spoiled

FILES = (
    *("images.txt", "classes.txt", "image_class_labels.txt", "train_test_split.txt"),
    *("bounding_boxes.txt", "parts/parts.txt", "parts/part_locs.txt", "attributes.txt"),
    *("attributes/class_attribute_labels_continuous.txt", "scenes.jsonl"),
)
LINES = (
    *("", "x", "1", "1 x", "999 1", "-1 0", "1 1 1 1 1 1 1", "1 nan inf -inf 1e999"),
    *("\u0661 \u0661", "\u00b2 \u00b2", "1 \u00b2", "\0", "9" * 5000 + " 1", "\ufeff1 1"),
    *("1 -5 -5 -10 -10", "1 0 0 0 0", "1 1 nan nan 1", "1 1 0 0 0.5", "1 1 0 0 -1"),
)
VALUES = ("x", "-1", "nan", "1e400", "99999999999", "inf", "1.5", "\u00b2", "\u0663")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return write_birds(
        tmp_path_factory.mktemp("cub") / "birds", classes=3, images_per_class=2, size=32
    )


@pytest.fixture
def birds(written, tmp_path) -> Path:
    return shutil.copytree(written, tmp_path / "birds")


def everything(folder: Path) -> BenchmarkData:
    """Read all that a benchmark reads before it runs."""
    data = read_benchmark_data(f"birds:{folder}")
    data.fingerprint()
    data.knows()
    for target in ("predicted", "pairs"):
        units_of(data, target, 0)
    return data


def variants(content: bytes, count: int) -> Iterator[bytes]:
    chance = random.Random(count)  # noqa: S311 - no secret
    for _ in range(count):
        lines = content.decode().split("\n")
        place = chance.randrange(len(lines))
        kind = chance.randrange(4)
        if kind == 0:
            del lines[place]
        elif kind == 1:
            lines.insert(place, lines[chance.randrange(len(lines))])
        elif kind == 2:
            lines[place] = chance.choice(LINES)
        else:
            words = lines[place].split() or ["x"]
            words[chance.randrange(len(words))] = chance.choice(VALUES)
            lines[place] = " ".join(words)
        yield "\n".join(lines).encode()
    yield from spoiled(content, count // 2, seed=count)
    yield from (b"", b"\n\n", b"\xff\xfe", content.decode().encode("utf-16"))


def tried(birds: Path, name: str, count: int) -> list[bool]:
    path = birds / name
    content = path.read_bytes()
    found = []
    for spoilt in variants(content, count):
        path.write_bytes(spoilt)
        found.append(refused(lambda: everything(birds), birds, path.name))
    return found


@pytest.mark.parametrize("name", FILES)
def test_lines_of_anything(birds, name):
    found = tried(birds, name, 30)
    assert sum(found) > len(found) / 4


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_lines_of_anything_often(birds, name):
    tried(birds, name, 1500)


@pytest.mark.parametrize("kind", ["absent", "folder", "pipe", "loop"])
@pytest.mark.parametrize("name", FILES[:-1])
def test_a_file_that_is_none(birds, name, kind):
    path = birds / name
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    assert refused(lambda: read_cub(birds), path.name)


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("images.txt", "9" * 5000 + " a.png", "needs a number"),
        ("image_class_labels.txt", "1 " + "9" * 5000, "should be 1 to 3"),
        ("bounding_boxes.txt", "1 nan 0 5 5", "no finite number"),
        ("bounding_boxes.txt", "1 0 0 0 5", "has no pixel"),
        ("bounding_boxes.txt", "1 0 0 5", "needs a number and 4 values"),
        ("image_class_labels.txt", "1 4", "should be 1 to 3"),
        ("train_test_split.txt", "1 2", "should be 0 to 1"),
        ("parts/part_locs.txt", "1 1 inf 0 1", "is not 'image part x y visible'"),
        ("parts/part_locs.txt", "1 1 3 4 2", "does not fit"),
        ("images.txt", "1 ../../escape.png", "outside of the data set"),
        ("images.txt", "1 /etc/hostname", "outside of the data set"),
    ],
)
def test_what_is_wrong_is_said(birds, name, line, says):
    path = birds / name
    lines = path.read_text().splitlines()
    (birds.parent.parent / "escape.png").touch()
    path.write_text("\n".join([line, *lines[1:]]) + "\n")
    with pytest.raises(Exception, match=says) as caught:
        read_cub(birds)
    assert refused(lambda: read_cub(birds), path.name), caught.value


def test_a_name_that_is_there_twice(birds):
    for name in ("images.txt", "classes.txt"):
        path = birds / name
        before = path.read_text()
        first, second, *rest = before.splitlines()
        path.write_text("\n".join([first, f"{second.split()[0]} {first.split()[1]}", *rest]))
        assert refused(lambda: read_cub(birds), name)
        path.write_text(before)


def test_percentages_beyond_a_hundred(birds):
    path = birds / "attributes" / "class_attribute_labels_continuous.txt"
    path.write_text(path.read_text().replace("0", "900", 1))
    assert refused(lambda: read_cub(birds), path.name)


def test_the_command_says_it_in_one_line(run, nets, birds):
    (birds / "bounding_boxes.txt").write_text("1 nan 0 5 5\n")
    model = ("--model", f"{nets}:net", "--out", "out")
    ended = run("benchmark", "quick", "--data", f"birds:{birds}", *model)
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert "bounding_boxes.txt" in ended.err
