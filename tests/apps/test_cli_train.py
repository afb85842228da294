"""``regionwise train``: its options, its list of schemes, and what it says without its extra."""

import importlib.util
import subprocess
import sys

import pytest

from regionwise.data.birds import write_birds


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """Two classes of six birds, 32 pixels on a side."""
    folder = tmp_path_factory.mktemp("data") / "birds"
    return write_birds(folder, classes=2, images_per_class=6, size=32)


def tiny(birds, *more):
    return (
        *("train", "--data", f"birds:{birds}", "--backbone", "birdnet", "--weights", "random"),
        *("--option", "widths=[4,4,4,4,8]", "--size", "32", "--set", "batch=4", *more),
    )


def test_a_network_is_trained_then_fitted_and_explained(run, birds):
    made = run(*tiny(birds, "--head", "pooled", "--epochs", 1, "--out", "vanilla"))
    assert made.code == 0
    assert made.out.startswith("trained: test accuracy")
    assert "epoch 1: loss" in made.err
    fitted = run(
        *("train", "--data", f"birds:{birds}", "--from", "vanilla", "--scheme", "post-fitting"),
        *("--epochs", 1, "--out", "fitted"),
    )
    assert fitted.code == 0
    assert "vanilla" in fitted.out
    again = run(
        *("train", "--data", f"birds:{birds}", "--from", "vanilla", "--scheme", "post-fitting"),
        *("--epochs", 1, "--out", "fitted"),
    )
    assert again.out.startswith("finished before, nothing to do: test accuracy")


def test_the_schemes_are_listed_and_one_is_shown_in_full(run):
    listed = run("train", "--list")
    assert listed.code == 0
    assert "post-fitting-imagenet" in listed.out
    shown = run("train", "--list", "--scheme", "calm-em-code")
    assert "substring" in shown.out
    assert run("train", "--list", "--scheme", "calm-me").err.count(
        "did you mean 'calm-ml', 'calm-em'"
    )


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--head", "cam"), "unknown head 'cam'"),
        (("--scheme", "calm-em", "--set", "epoch=3", "--out", "x"), "did you mean 'epochs'"),
        (("--scheme", "calm-em", "--set", "epochs=3", "--epochs", 4, "--out", "x"), "given twice"),
        (("--scheme", "calm-em", "--folds", 9, "--out", "x"), "folds"),
        (("--scheme", "calm-em", "--option", "width=8", "--out", "x"), "no option 'width'"),
        (("--scheme", "calm-em", "--surgery", "lobotomy", "--out", "x"), "vgg-gap"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run, birds, without_shape_checks, more, says):
    ended = run(*tiny(birds, *more, *(() if "--out" in more else ("--out", "x"))))
    assert ended.code == 2
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1


def test_data_and_out_are_needed(run):
    assert "give --data" in run("train", "--out", "x").err
    assert "give --out" in run("train", "--data", "birds:x").err


def test_without_the_extra_the_command_says_how_to_install_it(run, birds, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "lightning" else find(name, *a),
    )
    ended = run(*tiny(birds, "--head", "calm", "--out", "x"))
    assert ended.code == 2
    assert "pip install 'regionwise[train]'" in ended.err


def test_the_package_and_its_command_do_without_lightning():
    program = (
        "import sys\nsys.modules['lightning'] = None\n"
        "import regionwise, regionwise.apps.cli, regionwise.training.losses\n"
        "regionwise.load_model('birds')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
