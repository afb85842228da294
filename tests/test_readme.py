"""What the README and the method pages show is run here, word for word."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from regionwise.data.birds import render, sample_scene, species, write_birds

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs" / "methods").glob("*.md"))


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    image = render(sample_scene(species(24)[0], 1, seed=7), size=224).image
    Image.fromarray(image).save(tmp_path / "bird.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_of_the_readme_runs(folder):
    names = {}
    for block in blocks(README, "python"):
        exec(block, names)  # noqa: S102
    assert names["attribution"].top[0][0] == "Common_Finch"
    assert names["found"]["grad-cam"].maps.shape == (4, 2, 7, 7)
    assert (folder / "overlay.png").is_file()


def commands():
    """Return the README's regionwise commands that need no download and no file of the reader's."""
    lines = [
        line.removeprefix("$ ").split("#")[0].strip()
        for block in blocks(README, "console")
        for line in block.splitlines()
    ]
    ours = [line for line in lines if line.startswith("regionwise ")]
    return [line for line in ours if not re.search(r"photos|scan\.png", line)]


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_readme_run(folder, command):
    words = shlex.split(command)
    if words[1:3] == ["data", "birds"]:
        words += ["--classes", "2", "--images-per-class", "2", "--size", "64"]
    if words[1] == "train":
        write_birds(folder / "birds", classes=24, images_per_class=4, size=64)
        words += ["--epochs", "1"]
    done = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_there_are_commands_to_run():
    assert len(commands()) >= 3


QUICK = {"cam", "grad-cam", "grad-campp", "xgrad-cam", "layer-cam", "gradient", "edges"}


def marked(page):
    return pytest.param(page, id=page.stem, marks=() if page.stem in QUICK else pytest.mark.slow)


@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_the_example_of_each_method_page_runs(folder, page):
    (block,) = blocks(page.read_text(encoding="utf-8"), "python")
    exec(block, {})  # noqa: S102
    assert (folder / "overlay.png").is_file()


@pytest.mark.parametrize("page", ["attention_losses", "layers_and_volumes", "regions"])
def test_the_examples_of_other_pages_run(folder, page):
    names = {}
    for block in blocks((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), "python"):
        exec(block, names)  # noqa: S102
    assert {"attention", "fused", "joint"} & set(names)


def test_generated_texts_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "make_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_link_and_picture_exists():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
