"""Reading labelled pictures, and setting some aside."""

import shutil
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from regionwise.errors import DataError, SettingError
from regionwise.training.data import SplitChoice, split
from regionwise.training.samples import read_data
from regionwise.training.splits import choose_fold, fold_numbers, hold_out


@pytest.fixture
def folder(tmp_path):
    """Two classes with four and three pictures; two more of the first are for testing."""
    for number, name in enumerate(("a", "a", "a", "a", "b", "b", "b")):
        draw(tmp_path / "data" / "train" / name / f"{number}.png", number)
    for number in (7, 8):
        draw(tmp_path / "data" / "val" / "a" / f"{number}.png", number)
    return tmp_path / "data"


def draw(path, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), np.uint8)
    Image.fromarray(pixels).save(path)


def test_birds_keep_their_split_classes_and_groups(birds):
    data = read_data(f"birds:{birds}")
    assert len(data.class_names) == 3
    assert len(data.train) + len(data.test) == 24
    assert {sample.group for sample in data.train} <= {"1", "2", "3", "4"}
    assert not {s.name for s in data.train} & {s.name for s in data.test}


def test_a_folder_has_a_sub_folder_for_each_class(folder):
    data = read_data(f"folder:{folder}")
    assert data.class_names == ("a", "b")
    assert [s.label for s in data.train] == [0, 0, 0, 0, 1, 1, 1]
    assert [s.name for s in data.test] == ["val/a/7.png", "val/a/8.png"]
    flat = read_data(f"folder:{folder / 'train'}")
    assert [s.label for s in flat.train] == [0, 0, 0, 0, 1, 1, 1]
    assert flat.test == ()


def test_the_fingerprint_knows_what_the_data_are(folder):
    before = read_data(f"folder:{folder}").fingerprint()
    assert read_data(f"folder:{folder}").fingerprint() == before
    (folder / "train" / "b" / "6.png").rename(folder / "train" / "a" / "6.png")
    assert read_data(f"folder:{folder}").fingerprint() != before


def test_groups_come_from_a_file_of_two_columns(folder, tmp_path):
    plain = read_data(f"folder:{folder}")
    names = [s.name for s in (*plain.train, *plain.test)]
    marks = ("\t", ", ", " ")
    lines = [f"{name}{marks[i % 3]}patient{i // 2}" for i, name in enumerate(names)]
    (tmp_path / "groups.txt").write_text("\n".join([*lines, ""]))
    data = read_data(f"folder:{folder}", groups=tmp_path / "groups.txt")
    assert [s.group for s in data.train][:4] == ["patient0", "patient0", "patient1", "patient1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("train/a/0.png p\n", "no group for 'train/a/1.png'"),
        ("train/a/0.png\n", "line 1"),
        ("train/a/0.png p\ntrain/a/0.png q\n", "line 2"),
    ],
)
def test_a_file_of_groups_that_does_not_fit_is_refused(folder, tmp_path, text, says):
    (tmp_path / "groups.txt").write_text(text)
    with pytest.raises(DataError, match=says):
        read_data(f"folder:{folder}", groups=tmp_path / "groups.txt")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("birds", "write birds:DIR"),
        ("brids:x", "did you mean 'birds'"),
        ("folder:nowhere", "is no folder"),
        ("birds:nowhere", "is no folder"),
    ],
)
def test_data_that_are_not_there_are_refused(source, says):
    with pytest.raises(DataError, match=says):
        read_data(source)


def test_an_empty_class_is_refused_by_name(folder):
    (folder / "train" / "empty").mkdir()
    with pytest.raises(DataError, match="'empty'"):
        read_data(f"folder:{folder}")


def test_a_class_without_training_images_is_refused_by_name(birds, tmp_path):
    copy = shutil.copytree(birds, tmp_path / "birds")
    labels = (copy / "image_class_labels.txt").read_text().split("\n")
    second = {line.split()[0] for line in labels if line.endswith(" 2")}
    split_file = copy / "train_test_split.txt"
    lines = [line.split() for line in split_file.read_text().splitlines()]
    split_file.write_text("".join(f"{n} {0 if n in second else t}\n" for n, t in lines))
    with pytest.raises(DataError, match="class '002"):
        read_data(f"birds:{copy}")


def test_a_test_class_that_cannot_be_learnt_is_refused(folder):
    draw(folder / "val" / "c" / "9.png", 9)
    with pytest.raises(DataError, match="'c'"):
        read_data(f"folder:{folder}")


def test_validation_takes_its_share_of_every_class_out_of_the_training_images(birds):
    data = read_data(f"birds:{birds}")
    train, aside = hold_out(data.train, 0.25, 0, by_group=False)
    assert sorted(s.name for s in (*train, *aside)) == sorted(s.name for s in data.train)
    assert set(Counter(s.label for s in aside).values()) == {1}
    assert not {s.name for s in aside} & {s.name for s in data.test}
    again = hold_out(data.train, 0.25, 0, by_group=False)
    assert again == (train, aside)
    assert hold_out(data.train, 0.25, 1, by_group=False) != (train, aside)
    assert hold_out(data.train, 0.0, 0, by_group=False) == (data.train, ())


def test_a_class_of_one_image_cannot_give_any(folder):
    data = read_data(f"folder:{folder}")
    with pytest.raises(DataError, match="only picture of its class"):
        hold_out([s for s in data.train if s.label == 0][:1], 0.5, 0, by_group=False)
    with pytest.raises(SettingError, match="share"):
        hold_out(data.train, 1.0, 0, by_group=False)


@pytest.mark.parametrize("folds", [2, 3, 4])
def test_no_group_lies_in_two_folds(birds, folds):
    data = read_data(f"birds:{birds}")
    numbers = fold_numbers(data.train, folds, 0)
    where = {}
    for sample, number in zip(data.train, numbers, strict=True):
        assert where.setdefault(sample.group, number) == number
    assert set(numbers) == set(range(folds))


def test_folds_without_groups_have_all_classes_in_equal_shares(folder):
    data = read_data(f"folder:{folder}")
    numbers = fold_numbers(data.train, 3, 0)
    found = Counter(zip(numbers, [s.label for s in data.train], strict=True))
    assert all(found[fold, 1] == 1 for fold in range(3))
    assert sorted(found[fold, 0] for fold in range(3)) == [1, 1, 2]


def test_with_folds_the_three_sets_share_no_group_and_every_image_is_tested_once(birds):
    data = read_data(f"birds:{birds}")
    tested = []
    for fold in range(3):
        splits = split(data, SplitChoice(validation=0.3, folds=3, fold=fold))
        groups = [
            {s.group for s in part} for part in (splits.train, splits.validation, splits.test)
        ]
        assert not groups[0] & groups[1]
        assert not groups[0] & groups[2]
        assert not groups[1] & groups[2]
        tested += [s.name for s in splits.test]
    assert sorted(tested) == sorted(s.name for s in data.train)


def test_folds_that_cannot_be_are_refused(birds):
    data = read_data(f"birds:{birds}")
    with pytest.raises(DataError, match="4 groups cannot make 5 folds"):
        choose_fold(data, 5, 0, 0)
    with pytest.raises(SettingError, match="no fold 2 of 2"):
        choose_fold(data, 2, 2, 0)
