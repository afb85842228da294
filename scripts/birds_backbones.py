"""Factories of small networks that no library builds by name, for ``file.py:factory``."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

CLASSES = 24


class Plain(nn.Module):
    """A network in VGG's manner, of stride 16: convolution, batch norm, ReLU, and no skips.

    Args:
        classes: number of classes.
        widths: channels of each stage; the first convolution of a stage halves the map.
        depths: convolutions of each stage.
    """

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = (24, 48, 96, 192),
        depths: Sequence[int] = (1, 2, 2, 2),
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous = 3
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            size = 5 if stage == 0 else 3  # the stem sees more at once
            for stride in (2, *[1] * (depth - 1)):
                convolution = nn.Conv2d(previous, width, size, stride, size // 2, bias=False)
                layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
                previous = width
        self.features = nn.Sequential(*layers)
        self.fc = nn.Linear(previous, classes)

    def forward_features(self, inputs: Tensor) -> Tensor:
        """Return the last map, n k i j."""
        features: Tensor = self.features(inputs)
        return features

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits n y."""
        logits: Tensor = self.fc(self.forward_features(inputs).mean(dim=(-2, -1)))
        return logits


def plain() -> Plain:
    """Build the plain network of the rendered birds, with fresh weights."""
    return Plain(CLASSES)
