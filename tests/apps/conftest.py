"""A small classifier in a file, a few pictures, and the command run in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
from PIL import Image

from running import Ran

MODELS = """
import torch
from torch import nn
from regionwise import Classifier, Preprocessing

NAMES = ("red wren", "great tit", "goldfinch", "robin", "blue jay")
HOW = Preprocessing(size=(32, 32), resize=36)


def plain():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5)
    )


def net():
    return Classifier(plain(), HOW, NAMES)


def nan():
    module = plain()
    module[0].weight.data[0] = float("nan")
    return Classifier(module, HOW, NAMES)


def mlp():
    return Classifier(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 5)), HOW)


def curved():
    module = nn.Sequential(*list(plain())[:-1], nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 5))
    return Classifier(module, HOW, NAMES)


def number():
    return 3


def broken():
    raise RuntimeError("first line\\nsecond line")
"""


@pytest.fixture
def without_shape_checks():
    """Switch off the checks of the test suite that would come before the command's own."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def models(tmp_path) -> Path:
    """Return a file with factories."""
    path = tmp_path / "nets.py"
    path.write_text(MODELS)
    return path


def draw(path: Path, seed: int = 0, size: tuple[int, int] = (48, 40)) -> Path:
    """Save a picture of soft noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
    small.resize(size, Image.Resampling.BICUBIC).save(path)
    return path


@pytest.fixture
def pictures(tmp_path) -> Path:
    """Return a folder with three pictures."""
    for seed, name in enumerate(("a.png", "b.jpg", "c.webp")):
        draw(tmp_path / "pics" / name, seed)
    return tmp_path / "pics"


@pytest.fixture
def explain(run, models) -> Callable[..., Ran]:
    """Run ``regionwise explain`` with the small classifier and a method that costs little."""

    def command(*arguments: object, model: str = "net", methods: tuple[str, ...] = ("cam",)) -> Ran:
        chosen = [item for method in methods for item in ("--method", method)]
        return run("explain", *arguments, "--model", f"{models}:{model}", *chosen, "--out", "out")

    return command
