"""Methods that are not ours on the command line."""

import json
import os

import numpy as np
import pytest

from regionwise import explain as explain_in_python
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.data.birds import write_birds
from regionwise.zoo import load_model

OWN = """
import torch

def noise(model, inputs, targets, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(len(inputs), 4, 4, generator=generator)
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    return "own.py:noise"


def test_they_are_explained_and_told_like_ours(explain, pictures, own, tmp_path):
    methods = ("grad-cam", own, f"{own}:seed=3", "captum:LayerGradCam")
    done = explain(pictures / "a.png", "--seed", 5, methods=methods)
    assert done.code == 0, done.err
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert [one["id"] for one in told["methods"]] == [
        "grad-cam",
        "own.py:noise:seed=5",
        "own.py:noise:seed=3",
        "captum:LayerGradCam",
    ]
    for name in told["images"][0]["files"]:
        assert (tmp_path / "out" / name).is_file()


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("own.py:nose", "did you mean 'noise'"),
        ("own.py:noise:sed=1", "did you mean 'seed'"),
        ("none.py:noise", "no method in 'none.py'"),
        ("maps:pics", "holds no .npy file"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(explain, pictures, own, method, says):
    done = explain(pictures / "a.png", methods=(method,))
    assert done.code == 2
    assert says in done.err
    assert len(done.err.splitlines()) == 1


@pytest.fixture
def bench(run, own, models, tmp_path, monkeypatch):
    """Six tested birds, maps of them, and a benchmark of all kinds of methods."""
    monkeypatch.setenv("REGIONWISE_TRUST", f"{tmp_path / 'own.py'}{os.pathsep}{models}")
    birds = write_birds(tmp_path / "birds", classes=3, images_per_class=4, size=32)
    data, classifier = read_benchmark_data(f"birds:{birds}"), load_model(f"{models}:net")
    for picture in data.pictures:
        path = tmp_path / "far" / "mine" / f"{picture.name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, explain_in_python(classifier, picture.path, "grad-cam").maps[0, 0])
    (tmp_path / "tiny.toml").write_text(
        f'[[methods]]\nuse = ["grad-cam", "{own}", "captum:LayerGradCam"]\n'
        '[[metrics]]\nuse = ["area", "coherency"]\n[cost]\nimages = 0\n'
    )

    def command(*more):
        options = ("--data", f"birds:{birds}", "--model", f"{models}:net", "--out", "bench")
        return run("benchmark", "tiny.toml", *options, "--maps", "far/mine", *more)

    return command


def test_a_benchmark_of_all_kinds_and_its_report(bench, run, tmp_path):
    planned = bench("--dry-run")
    assert "maps: maps:mine" in planned.out
    assert "left out: coherency of maps:mine: maps that were made elsewhere" in planned.out
    done = bench("--limit", 2)
    assert done.code == 0, done.err
    summary = (tmp_path / "bench" / "summary.md").read_text()
    for name in ("own.py:noise", "captum:LayerGradCam", "maps:mine"):
        assert f"| {name} |" in summary
    made = run("report", "bench", "--gallery", 2)
    assert made.code == 0, made.err
    page = (tmp_path / "bench" / "report.html").read_text()
    assert 'data-method="maps:mine"' in page
    for path in (tmp_path / "far").rglob("*.npy"):
        path.unlink()
    again = run("report", "bench", "--gallery", 2)
    assert again.code == 0, again.err
    page = (tmp_path / "bench" / "report.html").read_text()
    assert 'data-method="maps:mine"' not in page
    assert "holds no .npy file" in page
    assert bench("--limit", 2).code == 2
