import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regionwise.data.birds import (
    UNITED_PARTS,
    differing_parts,
    read_scenes,
    render,
    species,
    write_birds,
)
from regionwise.data.birds.labels import class_attributes, image_attributes
from regionwise.data.cub import part_differences, read_cub
from regionwise.errors import DataError, OutputError, SettingError

SETTINGS = {"classes": 7, "images_per_class": 4, "size": 48, "seed": 5}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_birds(tmp_path_factory.mktemp("birds") / "set", **SETTINGS)


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def lines(path):
    return path.read_text(encoding="utf-8").splitlines()


def picture(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_layout_is_complete(written):
    files = set(content(written))
    names = [line.split()[1] for line in lines(written / "images.txt")]
    assert len(names) == 28
    assert names[0] == f"{species(7, 5)[0].folder}/{species(7, 5)[0].name}_0001.png"
    pictures = {f"{k}/{n}" for k in ("images", "segmentations", "part_masks") for n in names}
    texts = {
        "images.txt",
        "image_class_labels.txt",
        "train_test_split.txt",
        "bounding_boxes.txt",
        "classes.txt",
        "attributes.txt",
        "parts/parts.txt",
        "parts/part_locs.txt",
        "attributes/certainties.txt",
        "attributes/class_attribute_labels_continuous.txt",
        "attributes/image_attribute_labels.txt",
        "scenes.jsonl",
        "birds.json",
    }
    assert files == pictures | texts


def test_the_files_have_the_lines_of_cub(written):
    assert lines(written / "attributes.txt")[0] == "1 has_bill_shape::curved_(up_or_down)"
    assert lines(written / "parts" / "parts.txt")[6] == "7 left eye"
    assert lines(written / "attributes" / "certainties.txt")[0] == "1 not visible"
    assert len(lines(written / "parts" / "part_locs.txt")) == 28 * 15
    labels = lines(written / "attributes" / "image_attribute_labels.txt")
    assert len(labels) == 28 * 312
    rows = np.array([line.split()[:4] for line in labels], dtype=np.int64)
    assert set(rows[:, 2]) == {0, 1}
    assert set(rows[:, 3]) <= {2, 3, 4}


def test_class_percentages_are_those_of_the_image_labels(written):
    data = read_cub(written)
    labels = lines(written / "attributes" / "image_attribute_labels.txt")
    present = np.array([line.split()[2] for line in labels], dtype=np.float64).reshape(28, 312)
    own = np.array([image.label for image in data.images])
    for label in range(7):
        expected = 100.0 * present[own == label].mean(axis=0)
        np.testing.assert_allclose(data.class_attributes[label], expected, atol=1e-8)


def test_calms_rule_finds_the_intended_parts(written):
    kinds = species(7, 5)
    data = read_cub(written)
    found = part_differences(data.class_attributes, names=data.attribute_names)
    for (a, b), parts in found.items():
        assert parts == differing_parts(kinds[a].plumage, kinds[b].plumage)
    ones = [parts for parts in found.values() if len(parts) == 1]
    assert len(ones) == 5
    assert frozenset().union(*ones) < set(UNITED_PARTS)


@pytest.mark.parametrize("images", [1, 2, 3, 6, 7, 60])
def test_annotators_err_but_never_so_often_that_a_class_changes(images):
    rng = np.random.default_rng(0)
    truth = class_attributes(species(24)[3].plumage)
    share = image_attributes(truth, images, rng).mean(axis=0)
    assert ((share >= 0.5) == truth).all()
    assert share[truth].min() >= 0.8
    assert share[~truth].max() <= 0.2
    assert truth.sum() == 28


def test_pictures_masks_and_boxes_agree_with_the_scenes(written):
    data = read_cub(written)
    for image, (name, scene) in list(zip(data.images, read_scenes(written), strict=True))[::5]:
        drawn = render(scene, size=48)
        assert (image.name, image.label) == (name, scene.label)
        np.testing.assert_array_equal(picture(image.path), drawn.image)
        np.testing.assert_array_equal(picture(image.part_mask), drawn.part_mask)
        np.testing.assert_array_equal(
            picture(image.segmentation), np.where(drawn.part_mask > 0, 255, 0)
        )
        np.testing.assert_allclose(image.part_locations, drawn.part_locations[0])
        x, y, width, height = (int(value) for value in image.bounding_box)
        inside = drawn.part_mask[y : y + height, x : x + width]
        assert (inside > 0).sum() == (drawn.part_mask > 0).sum()
        assert inside[0].any()
        assert inside[-1].any()
        assert inside[:, 0].any()
        assert inside[:, -1].any()


def test_half_of_each_class_is_for_training(written):
    data = read_cub(written)
    for label in range(7):
        assert sum(image.is_train for image in data.images if image.label == label) == 2
    assert {image.is_train for image in data.images[::4]} == {True, False}


def test_the_same_seed_writes_the_same_bytes_and_another_others(written, tmp_path):
    again = write_birds(tmp_path / "again", **SETTINGS)
    assert content(again) == content(written)
    other = write_birds(tmp_path / "other", **{**SETTINGS, "seed": 6})
    assert content(other) != content(written)


def test_more_images_leave_the_first_as_they_were(written, tmp_path):
    more = write_birds(tmp_path / "more", **{**SETTINGS, "classes": 2, "images_per_class": 5})
    for path in sorted((more / "images").rglob("*_000[1-4].png")):
        old = written / path.relative_to(more)
        assert path.read_bytes() == old.read_bytes()


def test_several_birds_have_masks_of_their_own(tmp_path):
    folder = write_birds(
        tmp_path / "flock", classes=2, images_per_class=2, size=64, birds_per_image=3, groups=2
    )
    data = read_cub(folder)
    places = lines(folder / "parts" / "bird_part_locs.txt")
    assert len(places) == 4 * 3 * 15
    for image, (_, scene) in zip(data.images, read_scenes(folder), strict=True):
        mask = picture(folder / "instances" / image.name)
        assert set(np.unique(mask)) == {0, 1, 2, 3}
        assert (mask > 0).sum() == (picture(image.part_mask) > 0).sum()
        assert {bird.plumage for bird in scene.birds} == {species(2)[image.label].plumage}
    assert [image.group for image in data.images] == [1, 2, 2, 1]
    assert [line.split()[1] for line in lines(folder / "groups.txt")] == ["1", "2", "2", "1"]


def test_a_folder_that_holds_something_is_refused(written):
    before = content(written)
    with pytest.raises(OutputError, match="not empty; choose another folder"):
        write_birds(written, **SETTINGS)
    assert content(written) == before
    with pytest.raises(OutputError, match="not empty"):
        write_birds(written / "images.txt", **SETTINGS)


def test_an_empty_folder_is_filled(tmp_path):
    out = tmp_path / "deep" / "empty"
    out.mkdir(parents=True)
    seen = []
    write_birds(out, classes=2, images_per_class=1, size=32, progress=lambda *p: seen.append(p))
    assert seen == [(1, 2), (2, 2)]
    assert (out / "images.txt").is_file()
    assert json.loads((out / "birds.json").read_text())["settings"]["size"] == 32


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_nothing(tmp_path, error):
    def stop(done, total):
        raise error

    with pytest.raises(error):
        write_birds(tmp_path / "new" / "set", classes=2, images_per_class=1, size=32, progress=stop)
    assert list((tmp_path / "new").iterdir()) == []


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_birds(tmp_path / "file" / "set", classes=2, images_per_class=1, size=32)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"classes": 1}, "classes is 1, allowed is 2 to 200"),
        ({"classes": 201}, "classes is 201"),
        ({"images_per_class": 0}, "images_per_class is 0, allowed is 1"),
        ({"birds_per_image": 0}, "birds_per_image is 0, allowed is 1 to 4"),
        ({"birds_per_image": 5}, "birds_per_image is 5"),
        ({"size": 31}, "size is 31, allowed is 32 to 2048"),
        ({"size": 2049}, "size is 2049"),
        ({"groups": -1}, "groups is -1"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_out_of_range_are_refused_before_anything_is_written(tmp_path, settings, message):
    with pytest.raises(SettingError, match=message):
        write_birds(tmp_path / "set", **settings)
    assert list(tmp_path.iterdir()) == []


def test_scenes_that_are_missing_or_broken_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"scenes\.jsonl' is missing"):
        list(read_scenes(tmp_path))
    Path(tmp_path / "scenes.jsonl").write_text("{}\n")
    with pytest.raises(DataError, match="line 1, is no scene"):
        list(read_scenes(tmp_path))
