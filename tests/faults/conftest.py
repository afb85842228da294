"""A small classifier in a file, whole pictures, and the command run in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from running import Ran

from .corpus import soft

NETS = """
import torch
from torch import nn
from regionwise import Classifier, Preprocessing


def net():
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
    module[-1].weight.data *= 30
    return Classifier(module, Preprocessing(size=(32, 32), resize=None))
"""


@pytest.fixture
def nets(tmp_path) -> Path:
    """Return a file with a factory."""
    path = tmp_path / "nets.py"
    path.write_text(NETS)
    return path


@pytest.fixture
def explain(run, nets) -> Callable[..., Ran]:
    """Run ``regionwise explain`` with the small classifier and a method that costs little."""

    def command(*arguments: object, method: str = "cam") -> Ran:
        options = ("--model", f"{nets}:net", "--method", method, "--out", "out")
        return run("explain", *arguments, *options)

    return command


@pytest.fixture
def whole(tmp_path) -> Path:
    """Return a whole picture."""
    path = tmp_path / "whole.png"
    soft("RGB", (48, 40)).save(path)
    return path


def told_in_lines(ended: Ran) -> None:
    """Hold that nothing but plain lines was said: no traceback, one line each."""
    assert "Traceback" not in ended.err + ended.out
    assert all(line.startswith(("skipped: ", "error: ")) for line in ended.err.splitlines())
