"""``regionwise compare``: words and a picture for two classes, exact or said not to be."""

import re

import numpy as np
import pytest
from PIL import Image

from regionwise.data.birds import render, sample_scene, species

FINCH, WARBLER = species(24)[0], species(24)[6]
TAIL = 3


@pytest.fixture
def bird(tmp_path):
    """A finch, and a map of its parts beside it."""
    scene = render(sample_scene(FINCH, 0, seed=7), size=224)
    Image.fromarray(scene.image).save(tmp_path / "bird.png")
    Image.fromarray(scene.part_mask).save(tmp_path / "parts.png")
    assert (scene.part_mask == TAIL).any()
    return tmp_path / "bird.png"


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("model", ["birds-cape", "birds-calm"])
def test_the_most_probable_class_is_set_against_the_next(run, bird, tmp_path, model):
    ended = run("compare", bird, "--model", model)
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    held = r"[\d.]+% of the [\d.]+%"
    assert re.fullmatch(rf"Common Finch: \d+ of 196 regions holds? {held}", lines[0])
    assert re.fullmatch(rf"\w[\w -]+: \d+ of 196 regions holds? {held}", lines[1])
    other = lines[1].partition(":")[0]
    assert re.fullmatch(rf"Common Finch over {other}: \+[\d.]+%", lines[2])
    probabilities = [float(line.rpartition(" ")[2][:-1]) for line in lines[:2]]
    lead = float(lines[2].rpartition("+")[2][:-1])
    assert lead == pytest.approx(probabilities[0] - probabilities[1], abs=0.11)
    assert lines[-1] == "picture: comparison.png"
    assert "note" not in ended.out
    assert pixels(tmp_path / "comparison.png").shape[1] > 2000


def test_bands_are_told_with_their_sum_and_share(run, bird):
    out = run("compare", bird, "--target", FINCH.name, "--against", WARBLER.name, "--band", 2).out
    assert f"over {WARBLER.name.replace('_', ' ')}: +" in out
    assert re.search(r"^  regions 1-2 for: \+[\d.]+% \(\d+% of it\)$", out, re.MULTILINE)
    assert re.search(r"^  regions 3-4 for: ", out, re.MULTILINE)


def test_seen_from_the_other_class_the_difference_changes_its_sign(run, bird):
    here = run("compare", bird, "--target", 0, "--against", 6).out.splitlines()[2]
    there = run("compare", bird, "--target", 6, "--against", 0).out.splitlines()[2]
    assert here.rpartition(": ")[2].replace("+", "-") == there.rpartition(": ")[2]


def test_a_class_that_is_named_is_set_against_the_best_of_the_others(run, bird):
    assert "over Common Finch" in run("compare", bird, "--target", WARBLER.name).out
    first = run("compare", bird, "--against", FINCH.name).out.splitlines()
    assert not first[0].startswith("Common Finch:")


def test_where_the_classes_truly_differ_is_shown_beside(run, bird, tmp_path):
    wide = run("compare", bird, "--truth", tmp_path / "parts.png", "--out", "wide.png")
    assert wide.code == 0, wide.err
    tail = ("--truth", tmp_path / "parts.png", "--truth-value", TAIL, "--out", "tail.png")
    assert run("compare", bird, *tail).code == 0
    assert run("compare", bird, "--out", "plain.png").code == 0
    pages = [pixels(tmp_path / f"{n}.png") for n in ("plain", "wide", "tail")]
    assert pages[0].shape[1] < pages[1].shape[1] == pages[2].shape[1]
    red = [((page[:, -650:, 0].astype(int) - page[:, -650:, 2]) > 60).sum() for page in pages[1:]]
    assert red[1] < red[0] / 2, "the tail is a part of the bird"


def test_a_vanilla_network_is_read_as_off_the_shelf_and_said_to_be(run, bird):
    ended = run("compare", bird, "--model", "birds")
    assert ended.code == 0, ended.err
    note = ended.out.splitlines()[-2]
    assert note.startswith("note: off-the-shelf CAPE, not the network's own prediction (")
    assert note.endswith("% for Common Finch)")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--out", "comparison.jpg"), "must end in .png"),
        (("--out", "folder.png"), "cannot write"),
        (("--target", 3, "--against", 3), "class 3 cannot be set against itself"),
        (("--target", "Comon_Finch"), "did you mean 'Common_Finch'"),
        (("--against", 24), "24"),
        (("--least", 1), "--least must lie in [0, 1)"),
        (("--least", "nan"), "--least must lie in [0, 1)"),
        (("--band", 0), "--band be 1 or more"),
        (("--truth-value", 1), "--truth-value needs --truth"),
        (("--truth", "nowhere.png"), "no such file"),
        (("--truth", "small.png"), "they must show the same"),
        (("--truth", "parts.png", "--truth-value", 99), "no pixel with the value 99"),
        (("--model", "birds-caper"), "did you mean"),
        (("--device", "quantum"), "no device"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run, bird, without_shape_checks, more, says):
    Image.new("L", (32, 32), 255).save("small.png")
    (bird.parent / "folder.png").mkdir()
    ended = run("compare", bird, *more)
    assert ended.code == 2
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not list(bird.parent.glob("comparison*"))
    assert not list(bird.parent.glob(".*.png"))


def test_a_picture_that_is_missing_or_none(run, tmp_path):
    assert "no such file" in run("compare", "nowhere.png").err
    (tmp_path / "text.png").write_text("hello")
    assert "not an image" in run("compare", "text.png").err


def test_a_network_whose_head_cannot_be_read_is_refused(run, bird, models):
    """As ConvNeXt's: there is more than a linear layer behind the pool."""
    ended = run("compare", bird, "--model", f"{models}:curved")
    assert ended.code == 2
    assert len(ended.err.splitlines()) == 1
    assert "pooling" in ended.err
    assert run("compare", bird, "--model", f"{models}:net").code == 0
