"""The small residual network of the shipped classifiers: pooling and one linear layer behind it."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from regionwise.shapes import Activations, Inputs, Logits


class Block(nn.Module):
    """Two 3 x 3 convolutions and a skip (He et al. 2016)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.skip = nn.Sequential(
                nn.Conv2d(channels_in, channels_out, 1, stride, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Float[Tensor, "n k h w"]) -> Float[Tensor, "n l i j"]:
        """Return relu(skip(x) + f(x))."""
        inner = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out: Tensor = self.relu(inner + self.skip(x))
        return out


class BirdNet(nn.Module):
    """A residual network of stride 16: ``layer4`` is its last map, n K h/16 w/16.

    Args:
        classes: number of classes.
        widths: channels of the stem and of the four stages.
        depths: blocks of the four stages.
    """

    def __init__(
        self,
        classes: int,
        widths: Sequence[int] = (24, 32, 64, 128, 256),
        depths: Sequence[int] = (1, 1, 1, 1),
    ) -> None:
        super().__init__()
        stem, *stages = widths
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, 2, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True)
        )
        previous = stem
        for number, (width, depth, stride) in enumerate(
            zip(stages, depths, (2, 2, 2, 1), strict=True), start=1
        ):
            blocks = [Block(previous, width, stride)]
            blocks += [Block(width, width, 1) for _ in range(depth - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*blocks))
            previous = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(previous, classes)

    def forward_features(self, inputs: Inputs) -> Activations:
        """Return the last map, n k i j."""
        x: Tensor = self.stem(inputs)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return x

    def forward(self, inputs: Inputs) -> Logits:
        """Return logits n y."""
        x = self.forward_features(inputs)
        logits: Tensor = self.fc(self.dropout(self.pool(x).flatten(1)))
        return logits
