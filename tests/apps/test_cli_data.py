"""``regionwise data birds`` hands its options on and leaves a data set."""

from __future__ import annotations

from pathlib import Path

from regionwise.data import birds


def test_a_small_data_set(run):
    ended = run("data", "birds", "--out", "birds", "--classes", 6, "--images-per-class", 2)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == "12 images of 6 classes: birds\n"
    assert len(list(Path("birds/images").rglob("*.png"))) == 12
    assert Path("birds/images.txt").is_file()


def test_every_option_arrives(run, monkeypatch):
    asked = {}

    def write_birds(out, *, progress, **settings):
        asked.update(settings, out=out)
        progress(1, 2)
        progress(2, 2)

    monkeypatch.setattr(birds, "write_birds", write_birds)
    line = "--classes 3 --images-per-class 2 --seed 5 --size 64 --birds-per-image 2 --groups 4"
    assert run("data", "birds", "--out", "x", *line.split()).code == 0
    assert asked == {
        "out": Path("x"),
        "classes": 3,
        "images_per_class": 2,
        "seed": 5,
        "size": 64,
        "birds_per_image": 2,
        "groups": 4,
    }


def test_a_folder_that_holds_something_is_refused(run):
    Path("birds").mkdir()
    Path("birds/mine.txt").touch()
    ended = run("data", "birds", "--out", "birds", "--classes", 6, "--images-per-class", 1)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert [path.name for path in Path("birds").iterdir()] == ["mine.txt"]
