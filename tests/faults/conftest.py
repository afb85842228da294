"""A small classifier in a file, whole pictures, and the command run in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from regionwise.apps.cli import main

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


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch, tmp_path) -> Callable[..., Ran]:
    """Run the command with arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(int(ended.value.code or 0), captured.out, captured.err)

    return command


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
