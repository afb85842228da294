"""Six tiny birds, a small network for them, and the way to a plan."""

from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from regionwise.benchmark.context import Context
from regionwise.benchmark.preparing import prepare
from regionwise.benchmark.recipe_files import from_table
from regionwise.benchmark.samples import read_benchmark_data
from regionwise.data.birds import write_birds

NETWORKS = """
import torch
from torch import nn
from regionwise import Classifier, Preprocessing

NAMES = ("common_finch", "striped_finch", "spot_breasted_finch")


def made(seed, gain, names, size=32):
    torch.manual_seed(seed)
    module = nn.Sequential(
        nn.Conv2d(3, 6, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 3)
    )
    module[-1].weight.data *= gain
    return Classifier(module, Preprocessing(size=(size, size), resize=None), names)


def net():
    return made(0, 30.0, NAMES)


def smaller():
    return made(0, 30.0, NAMES, 24)


def other():
    return made(1, 30.0, NAMES[::-1])


def nameless():
    return made(0, 30.0, None)


def stranger():
    return made(0, 30.0, ("cat", "dog", "common_finch"))


def bare():
    return nn.Sequential(nn.Conv2d(3, 3, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""


@dataclass
class Told:
    """Remembers what it was told."""

    advanced: list = field(default_factory=list)
    said: list = field(default_factory=list)

    def advance(self, count):
        self.advanced.append(count)

    def say(self, line):
        self.said.append(line)

    @contextmanager
    def opened(self, total):
        self.total = total
        yield self


@pytest.fixture
def told():
    return Told()


@pytest.fixture(scope="session")
def birds(tmp_path_factory) -> Path:
    """Three classes of four birds, 32 pixels on a side; two of each are tested."""
    folder = tmp_path_factory.mktemp("data") / "birds"
    return write_birds(folder, classes=3, images_per_class=4, size=32)


@pytest.fixture(scope="session")
def networks(tmp_path_factory) -> str:
    """A file with factories."""
    path = tmp_path_factory.mktemp("nets") / "nets.py"
    path.write_text(NETWORKS)
    return str(path)


@pytest.fixture
def recipe(networks):
    """Build a recipe from keys; three methods and four metrics by default."""

    def build(**changes):
        table = {
            "models": [f"{networks}:net"],
            "chunk": 4,
            "cost": {"images": 0},
            "methods": [
                {"name": "cheap", "use": ["grad-cam", "random"]},
                {"name": "masked", "use": ["score-cam"], "images": 2},
            ],
            "metrics": [
                {"name": "soft", "use": ["average-drop", "complexity", "pxap"]},
                {"name": "curves", "use": ["deletion:steps=3"], "images": 3},
            ],
        }
        return from_table({**table, **changes}, "tiny")

    return build


@pytest.fixture
def planned(birds, recipe):
    """Build a plan and its context."""

    def build(data=None, **changes):
        asked = recipe(**changes)
        context = Context(read_benchmark_data(data or f"birds:{birds}"), asked.seed, asked.judges)
        return prepare(asked, context), context

    return build
