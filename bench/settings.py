"""What is asked of a measurement, and the two sizes that it comes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

CHANNELS = {"resnet18": 64, "resnet50": 32}
QUICK_CHANNELS = {"resnet18": 16, "resnet50": 8}


@dataclass(frozen=True)
class Settings:
    """How a measurement is made; rows of other settings are measured again.

    Attributes:
        device: ``cpu`` or ``cuda``.
        threads: of the CPU.
        networks: names of torchvision.
        pairs: turns of every contender.
        batch: images per explanation of gradient methods.
        size: rows and columns of the images.
        channels: of the explained layer in the Score-CAM groups, by network; 64 for others.
        union_channels: the same in the UnionCAM group, whose four passes more should not weigh.
        samples: noisy copies and steps of the methods that average gradients.
        ablated_pairs: turns where a peer needs the whole network for each of 512 channels.
        ablated_size: rows and columns there.
        birds: pictures of the group on error bars.
        birds_size: their rows and columns.
        full: with the groups that take many minutes.
        quick: everything small.
    """

    device: str = "cpu"
    threads: int = 2
    networks: tuple[str, ...] = ("resnet18", "resnet50")
    pairs: int = 16
    batch: int = 16
    size: int = 224
    channels: Mapping[str, int] = field(default_factory=lambda: CHANNELS)
    union_channels: int = 128
    samples: int = 16
    ablated_pairs: int = 6
    ablated_size: int = 224
    birds: int = 16
    birds_size: int = 224
    full: bool = False
    quick: bool = False

    @property
    def key(self) -> dict[str, Any]:
        """What decides the numbers of a row."""
        return {k: v for k, v in asdict(self).items() if k not in {"networks", "full"}}

    def channels_of(self, network: str) -> int:
        """Return how many channels Score-CAM explains of a network."""
        return self.channels.get(network, 64)


def quick(settings: dict[str, Any]) -> Settings:
    """Return small settings, with whatever was asked besides."""
    small: dict[str, Any] = {
        "pairs": 6,
        "batch": 4,
        "channels": QUICK_CHANNELS,
        "union_channels": 16,
        "samples": 2,
        "ablated_size": 64,
        "birds": 2,
        "birds_size": 112,
        "quick": True,
    }
    return Settings(**(small | settings))
