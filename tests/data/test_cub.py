import shutil

import numpy as np
import pytest
from PIL import Image

from regionwise.data.cub import part_differences, read_cub
from regionwise.errors import DataError

NAMES = (
    "has_bill_shape::cone",
    "has_wing_color::red",
    "has_back_pattern::solid",
    "has_shape::long-legged-like",
    "has_primary_color::red",
)


def write(folder, name, *rows, numbered=True):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers = (f"{number} {row}" for number, row in enumerate(rows, start=1))
    path.write_text("".join(f"{row}\n" for row in (numbers if numbered else rows)))


@pytest.fixture
def small(tmp_path):
    """Three images of two classes with two parts, made by hand."""
    folder = tmp_path / "CUB_200_2011"
    names = ["001.Auk/Auk_1.jpg", "001.Auk/Auk_2.jpg", "002.Coot/Coot_1.jpg"]
    for name in names:
        (folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6)).save(folder / "images" / name)
    write(folder, "images.txt", *names)
    write(folder, "classes.txt", "001.Auk", "002.Coot")
    write(folder, "image_class_labels.txt", 1, 1, 2)
    write(folder, "train_test_split.txt", 0, 1, 1)
    write(folder, "bounding_boxes.txt", "0.0 1.0 4.0 3.0", "1.0 1.0 2.0 2.0", "0.0 0.0 8.0 6.0")
    write(folder, "parts/parts.txt", "back", "left eye")
    places = ["1 1 2.0 3.0 1", "1 2 0.0 0.0 0", "2 1 1.0 1.0 1", "2 2 1.5 1.0 1"]
    places += ["3 1 0.0 0.0 0", "3 2 4.0 4.0 1"]
    write(folder, "parts/part_locs.txt", *places, numbered=False)
    write(folder, "attributes.txt", *NAMES)
    rows = ("80.0 0.0 90.0 0.0 100.0", "50.0 51.0 49.9 50.0 0.0")
    write(folder, "attributes/class_attribute_labels_continuous.txt", *rows, numbered=False)
    return folder


def test_a_data_set_is_read_as_written(small):
    data = read_cub(small)
    assert data.class_names == ("001.Auk", "002.Coot")
    assert data.part_names == ("back", "left eye")
    assert data.attribute_names == NAMES
    assert [image.label for image in data.images] == [0, 0, 1]
    assert [image.number for image in data.split(train=True)] == [2, 3]
    assert [image.number for image in data.split(train=False)] == [1]
    first = data.images[0]
    assert first.path == small / "images" / "001.Auk" / "Auk_1.jpg"
    assert first.bounding_box == (0.0, 1.0, 4.0, 3.0)
    assert first.part_locations.tolist() == [[2.0, 3.0, 1.0], [0.0, 0.0, 0.0]]
    assert (first.segmentation, first.part_mask, first.group) == (None, None, 0)
    assert data.class_attributes.shape == (2, 5)


def test_calms_rule_by_hand(small):
    data = read_cub(small)
    found = part_differences(data.class_attributes, names=data.attribute_names)
    assert found == {(0, 1): {"back", "wing", "leg"}}
    assert part_differences(data.class_attributes, 95.0, NAMES) == {(0, 1): frozenset()}


def test_calms_rule_on_all_312_names():
    table = np.zeros((3, 312))
    table[1, 0] = 50.0  # has_bill_shape::curved_(up_or_down)
    table[2, [9, 260]] = 100.0  # has_wing_color::blue, has_primary_color::white
    assert part_differences(table) == {
        (0, 1): {"head"},
        (0, 2): {"wing"},
        (1, 2): {"head", "wing"},
    }


def test_attributes_that_do_not_fit_their_names_are_refused():
    with pytest.raises(DataError, match="do not fit 312 names"):
        part_differences(np.zeros((2, 5)))


@pytest.mark.parametrize("place", ["attributes/attributes.txt", "../attributes.txt"])
def test_attribute_names_are_found_where_the_archive_has_them(small, place):
    (small / "attributes.txt").rename(small / place)
    assert read_cub(small).attribute_names == NAMES
    (small / place).unlink()
    with pytest.raises(DataError, match=r"attributes\.txt' is neither in"):
        read_cub(small)


def test_masks_and_groups_are_read_where_there_are_any(small):
    for kind in ("segmentations", "part_masks"):
        for name in ("001.Auk/Auk_1.png", "001.Auk/Auk_2.png", "002.Coot/Coot_1.png"):
            (small / kind / name).parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", (8, 6)).save(small / kind / name)
    write(small, "groups.txt", 2, 1, 2)
    image = read_cub(small).images[2]
    assert image.segmentation == small / "segmentations" / "002.Coot" / "Coot_1.png"
    assert image.part_mask == small / "part_masks" / "002.Coot" / "Coot_1.png"
    assert image.group == 2
    image.segmentation.unlink()
    with pytest.raises(DataError, match=r"Coot_1\.png' is missing"):
        read_cub(small)


@pytest.mark.parametrize(
    "name",
    [
        "images.txt",
        "classes.txt",
        "image_class_labels.txt",
        "train_test_split.txt",
        "bounding_boxes.txt",
        "parts/parts.txt",
        "parts/part_locs.txt",
        "attributes/class_attribute_labels_continuous.txt",
    ],
)
def test_a_file_that_is_missing_empty_or_binary_is_named(small, name):
    (small / name).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=name.rpartition("/")[2]):
        read_cub(small)
    (small / name).write_text("\n")
    with pytest.raises(DataError, match="is empty"):
        read_cub(small)
    (small / name).unlink()
    with pytest.raises(DataError, match=rf"{name.rpartition('/')[2]}' is missing"):
        read_cub(small)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("images.txt", "1 a.jpg\n3 b.jpg\n4 c.jpg\n", "not 1 to 3"),
        ("images.txt", "1 a.jpg\n1 b.jpg\n", "line 2, repeats the number 1"),
        ("images.txt", "first a.jpg\n", "line 1, needs a number"),
        ("images.txt", "1 a.jpg\n2 b.jpg\n3 c.jpg\n4 d.jpg\n", "not those of images.txt"),
        ("image_class_labels.txt", "1 1\n2 1\n", "not those of images.txt: 3"),
        ("image_class_labels.txt", "1 1\n2 1\n3 3\n", "number 3: '3' should be 1 to 2"),
        ("train_test_split.txt", "1 1\n2 yes\n3 0\n", "number 2: 'yes' should be 0 to 1"),
        ("bounding_boxes.txt", "1 0 0 1\n2 0 0 1 1\n3 0 0 1 1\n", "line 1, needs a number and 4"),
        ("bounding_boxes.txt", "1 0 0 1 x\n2 0 0 1 1\n3 0 0 1 1\n", "number 1: could not convert"),
        ("parts/part_locs.txt", "1 1 2.0 3.0\n", "line 1, repeats or does not fit"),
        ("parts/part_locs.txt", "1 9 2.0 3.0 1\n", "line 1, repeats or does not fit"),
        ("parts/part_locs.txt", "1 one 2.0 3.0 1\n", "line 1, is not 'image part x y visible'"),
        ("parts/part_locs.txt", "1 1 2.0 3.0 1\n", "lacks part 2 of image 1"),
        (
            "attributes/class_attribute_labels_continuous.txt",
            "1 2 3 4 5\n",
            "1 lines for 2 classes",
        ),
        (
            "attributes/class_attribute_labels_continuous.txt",
            "1 2 3 4 5\n1 2\n",
            "line 2, has 2 values for 5",
        ),
        (
            "attributes/class_attribute_labels_continuous.txt",
            "1 2 3 4 5\n1 2 3 4 x\n",
            "no number",
        ),
    ],
)
def test_lines_that_contradict_are_named(small, name, text, message):
    (small / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read_cub(small)


def test_a_picture_that_is_missing_is_named(small):
    (small / "images" / "001.Auk" / "Auk_2.jpg").unlink()
    with pytest.raises(DataError, match=r"Auk_2\.jpg' is missing"):
        read_cub(small)
    shutil.rmtree(small)
    with pytest.raises(DataError, match="is no folder"):
        read_cub(small)
