"""``regionwise benchmark`` and ``report`` with a recipe that claims something."""

import pytest

from regionwise.data.birds import write_birds

RECIPE = """
title = "Tiny"
images = 2
cost = { images = 0 }
methods = [{ use = ["cam", "random"] }]
metrics = [{ use = ["average-drop"] }]

[[families]]
name = "Only"
net = "nets.py:net"

[[claims]]
id = "cam"
says = "CAM is no chance"
source = "nobody"
metric = "average-drop"
better = { role = "net", method = "cam" }
than = { role = "net", method = "random" }
"""

NETS = """
import torch
from torch import nn
from regionwise import Classifier, Preprocessing


def net():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
    return Classifier(module, Preprocessing(size=(32, 32), resize=None))
"""


@pytest.fixture
def birds(tmp_path):
    return write_birds(tmp_path / "birds", classes=3, images_per_class=2, size=32)


def test_claims_are_printed_written_and_reported(run, birds, tmp_path, monkeypatch):
    (tmp_path / "tiny.toml").write_text(RECIPE)
    (tmp_path / "nets.py").write_text(NETS)
    refused = run("benchmark", "tiny.toml", "--data", f"birds:{birds}", "--out", "out")
    assert "names code in 'nets.py'" in refused.err
    monkeypatch.setenv("REGIONWISE_TRUST", str(tmp_path / "nets.py"))
    done = run("benchmark", "tiny.toml", "--data", f"birds:{birds}", "--out", "out")
    assert done.code == 0, done.err
    assert "1 claim on birds: 1 is undecided." in done.out
    assert {"claims.md", "claims.csv", "claims.svg"} <= {
        path.name for path in (tmp_path / "out").iterdir()
    }
    assert run("report", "out", "--gallery", 0).code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert '<section id="claims"><h2>Claims</h2>' in page
    assert "CAM is no chance" in page
