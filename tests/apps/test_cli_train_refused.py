"""``regionwise train`` with what cannot be trained: one line, code 2, and nothing begun."""

import re
import shutil
import subprocess
import sys

import pytest
from PIL import Image

from regionwise.data.birds import write_birds

pytestmark = pytest.mark.usefixtures("without_shape_checks")

NETS = """
import torch
from torch import nn


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))


def curved():
    torch.manual_seed(0)
    front = (nn.Conv2d(3, 4, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(*front, nn.LayerNorm(4), nn.Linear(4, 2))


def nan():
    module = nn.Sequential(nn.Conv2d(3, 4, 5, 4), nn.ReLU())
    nn.init.constant_(module[0].weight, float("nan"))
    return module
"""


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """Two classes of six birds, 32 pixels on a side."""
    folder = tmp_path_factory.mktemp("data") / "birds"
    return write_birds(folder, classes=2, images_per_class=6, size=32)


@pytest.fixture
def refused(run, tmp_path):
    """Train on something and return what is said; nothing but a folder's config may be left."""

    def command(*arguments):
        words = ("train", *arguments, "--epochs", 1, "--set", "batch=4", "--out", "x")
        ended = run(*words)
        assert ended.code == 2
        assert len(ended.err.splitlines()) == 1, ended.err
        left = (
            {path.name for path in (tmp_path / "x").iterdir()} if (tmp_path / "x").exists() else ()
        )
        assert set(left) <= {"config.json"}
        return ended.err

    return command


def tiny(data, *more):
    return (
        *("--data", data, "--backbone", "birdnet", "--weights", "random", "--head", "calm"),
        *("--option", "widths=[4,4,4,4,8]", "--size", "32", *more),
    )


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mlp", "no map of several cells at 32 x 32"),
        ("curved", "cannot be post-fitted: .*LayerNorm stands between"),
        ("nan", "not finite: there is NaN in its weights"),
    ],
)
def test_a_backbone_that_will_not_do(refused, birds, tmp_path, name, says):
    (tmp_path / "nets.py").write_text(NETS)
    start = ("--from",) if name == "curved" else ("--head", "calm", "--backbone")
    said = refused("--data", f"birds:{birds}", "--size", 32, *start, f"nets.py:{name}")
    assert re.search(says, said)


def test_class_counts_that_differ(refused, birds):
    said = refused("--data", f"birds:{birds}", "--from", "birds-1", "--scheme", "post-fitting")
    assert "'birds-1' knows 24 classes and the data have 2" in said


@pytest.mark.parametrize("damage", ["another head", "truncated"])
def test_a_checkpoint_of_another_head_or_a_truncated_one(refused, run, birds, tmp_path, damage):
    for head in ("pooled", "calm"):
        line = tiny(f"birds:{birds}", "--epochs", 1, "--out", head)
        assert run("train", *line, "--head", head).code == 0
    weights = tmp_path / "pooled" / "weights.safetensors"
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-9])
    else:
        shutil.copy(tmp_path / "calm" / "weights.safetensors", weights)
    said = refused("--data", f"birds:{birds}", "--from", "pooled", "--scheme", "post-fitting")
    assert "is not what was trained" in said


def classes(root, *names, count=6):
    """A folder for each class, with pictures."""
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (32, 32), (20 * number, 90, 30)).save(root / name / f"{number}.png")
    return root


def nothing(root):
    root.mkdir()


def empty_class(root):
    classes(root, "a", "b")
    (root / "c").mkdir()


def one_class(root):
    classes(root, "a")


def no_train(root):
    classes(root / "val", "a", "b")
    classes(root / "test", "a", "b")


def surplus(root):
    classes(root / "train", "a", "b")
    classes(root / "val", "a", "z")


def truncated(root):
    picture = classes(root, "a", "b") / "b" / "3.png"
    picture.write_bytes(picture.read_bytes()[:50])


def truncated_test(root):
    classes(root / "train", "a", "b")
    picture = classes(root / "test", "a", "b") / "b" / "3.png"
    picture.write_bytes(picture.read_bytes()[:50])


def no_picture(root):
    (classes(root, "a", "b") / "a" / "2.png").write_text("hello")


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (nothing, "no sub-folders"),
        (empty_class, "class 'c' is empty"),
        (one_class, "has 1 class; at least 2 are needed"),
        (no_train, "has val/ with classes in it, but no train/"),
        (surplus, "class 'z'"),
        (truncated, "3.png' is damaged or cut short"),
        (truncated_test, "3.png' is damaged or cut short"),
        (no_picture, "2.png' is not an image"),
    ],
)
def test_folders_that_cannot_be_learnt_from(refused, tmp_path, build, says):
    build(tmp_path / "data")
    assert says in refused(*tiny(f"folder:{tmp_path / 'data'}"))


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--set", "lr=inf"), "give a finite number"),
        (("--set", "lr=-1"), "at least 0"),
        (("--set", "rate=1"), "a scheme has no setting 'rate'"),
        (("--validation", "-0.1"), "validation share"),
        (("--fold", 1), "give --folds"),
        (("--device", "meta"), "training does not run on 'meta'"),
        (("--size", 10**6), "sides are 1 to 16384"),
        (("--option", "widths=[-4,4,4,4,8]"), "whole numbers from 1"),
        (("--set", "lr=1e9"), "the loss is"),
    ],
)
def test_numbers_out_of_range(run, birds, tmp_path, more, says):
    ended = run("train", *tiny(f"birds:{birds}"), "--epochs", 2, *more, "--out", "x")
    assert ended.code == 2
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1
    assert not (tmp_path / "x" / "weights.safetensors").exists()


def test_numbers_that_the_command_line_refuses_itself(run, birds):
    for option, value in (("--size", -3), ("--epochs", 0), ("--seed", -1), ("--devices", 0)):
        ended = run("train", *tiny(f"birds:{birds}"), "--out", "x", option, value)
        assert ended.code == 2
        assert "greater than or equal to" in ended.err
        assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("file", "is a file, not a folder"),
        ("file/below", "Not a directory"),
        ("full", "is not empty and holds no run"),
        ("a" * 300, "too long"),
        ("/proc/run", "cannot write"),
    ],
)
def test_folders_that_cannot_be_trained_into(run, birds, tmp_path, out, says):
    (tmp_path / "file").write_text("x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    ended = run("train", *tiny(f"birds:{birds}"), "--out", out)
    assert ended.code == 2
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_two_runs_at_the_same_time_into_one_folder(birds, tmp_path):
    line = [sys.executable, "-m", "regionwise", "train", *tiny(f"birds:{birds}")]
    line += ["--epochs", "400", "--out", str(tmp_path / "run")]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as first:
        first.stderr.readline()  # after its first epoch
        second = subprocess.run(line, capture_output=True, text=True, check=False)
        assert first.poll() is None
        first.kill()
    assert second.returncode == 2
    assert f"another process (number {first.pid}) trains into" in second.stderr
    assert len(second.stderr.splitlines()) == 1
