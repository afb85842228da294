"""Which pictures a benchmark has, in which order, and whose classes they are."""

import shutil

import pytest

from regionwise.benchmark.samples import classes_for, in_order, read_benchmark_data
from regionwise.errors import DataError


def test_birds_are_tested_on_the_test_split_with_all_that_is_known(birds):
    data = read_benchmark_data(f"birds:{birds}")
    assert (data.kind, data.split, len(data.pictures)) == ("birds", "test", 6)
    assert data.knows() == {"boxes", "regions", "parts", "edited"}
    assert {p.label for p in data.pictures} == {0, 1, 2}
    assert data.picture(data.pictures[3].name) is data.pictures[3]


def test_the_same_folder_as_cub_has_no_scenes(birds):
    data = read_benchmark_data(f"cub:{birds}")
    assert data.knows() == {"boxes", "regions", "parts"}


def test_a_folder_has_labels_only(birds, tmp_path):
    shutil.copytree(birds / "images", tmp_path / "val")
    for place in (tmp_path, tmp_path / "val"):
        data = read_benchmark_data(f"folder:{place}")
        assert len(data.pictures) == 12
        assert [p.label for p in data.pictures] == [0] * 4 + [1] * 4 + [2] * 4
        assert data.knows() == frozenset()
    assert data.split == "all"


def test_the_fingerprint_sees_a_changed_file_and_a_changed_label(birds, tmp_path):
    copy = shutil.copytree(birds, tmp_path / "copy")
    data = read_benchmark_data(f"birds:{copy}")
    before = data.fingerprint()
    assert before == read_benchmark_data(f"birds:{birds}").fingerprint()
    with data.pictures[0].path.open("ab") as stream:
        stream.write(b"more")
    assert read_benchmark_data(f"birds:{copy}").fingerprint() != before
    labels = copy / "image_class_labels.txt"
    was = data.fingerprint()
    labels.write_text(labels.read_text().replace(" 1\n", " 2\n"))
    assert read_benchmark_data(f"birds:{copy}").fingerprint() != was


def test_a_sample_grows_without_changing():
    names = [f"image {i}" for i in range(50)]
    order = in_order(names, names, 0)
    assert sorted(order) == sorted(names)
    assert order != names
    assert order != in_order(names, names, 1)
    fewer = [name for name in names if name != "image 7"]
    assert in_order(fewer, fewer, 0) == [name for name in order if name != "image 7"]


@pytest.mark.parametrize(
    ("data", "model", "outputs", "expected"),
    [
        (["001.Red_Wren", "002.Tit"], ["tit", "red wren", "owl"], 3, [1, 0]),
        (["001.Red_Wren", "002.Tit"], ["tit", "owl"], 2, None),
        (["n01", "n02"], ["tench", "goldfish"], 2, [0, 1]),
        (["n01", "n02"], ["tench", "goldfish", "shark"], 3, None),
        (["a", "b"], None, 2, [0, 1]),
        (["a", "b"], None, 5, None),
    ],
)
def test_classes_are_matched_by_name_or_by_place(data, model, outputs, expected):
    assert classes_for(data, model, outputs) == expected


@pytest.mark.parametrize("source", ["bird:x", "birds", "birds:", "folder:/nowhere"])
def test_what_is_no_data_is_refused(source):
    with pytest.raises(DataError):
        read_benchmark_data(source)
