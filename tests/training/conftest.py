"""A tiny folder of birds, and requests to train on it."""

from pathlib import Path

import pytest

from regionwise.data.birds import write_birds
from regionwise.training.request import TrainRequest

OPTIONS = {"widths": [4, 4, 8, 8, 12], "depths": [1, 1, 1, 1]}


def merged(*settings: str) -> tuple[str, ...]:
    """Keep the last of each name."""
    return tuple({text.partition("=")[0]: text for text in settings}.values())


@pytest.fixture(scope="session")
def birds(tmp_path_factory) -> Path:
    """Three classes of eight birds in four groups, 32 pixels on a side."""
    return write_birds(
        tmp_path_factory.mktemp("data") / "birds",
        classes=3,
        images_per_class=8,
        size=32,
        groups=4,
    )


@pytest.fixture
def ask(birds, tmp_path):
    """Build a request for a tiny network on the tiny birds."""

    def request(*settings: str, out: str = "run", **changes) -> TrainRequest:
        values = {
            "data": f"birds:{birds}",
            "out": tmp_path / out,
            "settings": merged("epochs=2", "batch=4", "lr=0.01", *settings),
            "validation": 0.25,
        }
        if "given" not in changes:
            values |= {"backbone": "birdnet", "options": OPTIONS, "weights": "random", "size": 32}
        return TrainRequest(**(values | changes))

    return request
