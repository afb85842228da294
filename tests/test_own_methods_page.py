"""What docs/own_methods.md shows is run here, word for word."""

import re
import shlex
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from regionwise.apps.cli import main
from regionwise.data.birds import render, sample_scene, species, write_birds

PAGE = (Path(__file__).parent.parent / "docs" / "own_methods.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    image = render(sample_scene(species(24)[0], 1, seed=7), size=64).image
    Image.fromarray(image).save(tmp_path / "bird.png")
    write_birds(tmp_path / "birds", classes=2, images_per_class=3, size=64)
    (tmp_path / "my_file.py").write_text(blocks("python")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands():
    lines = [line.removeprefix("$ ") for block in blocks("console") for line in block.splitlines()]
    return [line for line in lines if line.startswith("regionwise ")]


@pytest.mark.parametrize("command", [c for c in commands() if " explain " in c])
def test_the_commands_run(folder, command):
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command)[1:])
    assert not ended.value.code
    assert (folder / "regionwise-out" / "sheet.png").is_file()


def test_maps_are_written_and_benchmarked(folder):
    (block,) = [block for block in blocks("python") if "np.save" in block]
    exec(block, {})  # noqa: S102
    assert len(list(folder.glob("my_maps/**/*.npy"))) > 0
    (command,) = [c for c in commands() if " benchmark " in c]
    few = ["methods=[{use=['random']}]", "metrics=[{use=['area']}]", "cost.images=0"]
    with pytest.raises(SystemExit) as ended:
        main([*shlex.split(command)[1:], *(word for key in few for word in ("--set", key))])
    assert not ended.value.code
    assert "maps:my_maps" in (folder / "bench" / "summary.md").read_text()


def test_the_other_examples_run(folder):
    names = {}
    for block in blocks("python")[2:]:
        exec(block, names)  # noqa: S102
    assert names["MY_CAM"].name == "my-cam"
    assert names["maps"].shape == (2, 1, 64, 64)
    assert np.isfinite(names["maps"]).all()
    (points,) = blocks("toml")
    groups = tomllib.loads(points)["project"]["entry-points"]
    assert set(groups) == {"regionwise.methods", "regionwise.metrics"}


def test_there_are_commands_to_run():
    assert len(commands()) == 3
