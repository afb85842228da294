"""The networks that are explained, with random weights, and the pictures they are shown."""

from __future__ import annotations

from functools import cache

import timm
import torch
import torchvision
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.transforms.functional import normalize

from regionwise.data.birds import render, sample_scene, species

MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@cache
def pictures(count: int, size: int, device: str = "cpu") -> Float[Tensor, "n c h w"]:
    """Return rendered birds as a network sees them, one class after the other."""
    kinds = species()
    drawn = [
        render(sample_scene(kinds[i % len(kinds)], i // len(kinds), seed=5), size=size).image
        for i in range(count)
    ]
    images = torch.stack([torch.from_numpy(one).permute(2, 0, 1) for one in drawn])
    return normalize(images.float() / 255, MEAN, SPREAD).to(device)


@cache
def network(name: str, device: str = "cpu", classes: int = 1000) -> nn.Module:
    """Return a network of torchvision, in eval mode."""
    torch.manual_seed(0)
    return settled(torchvision.models.get_model(name, weights=None, num_classes=classes), device)


@cache
def transformer(name: str, device: str = "cpu") -> nn.Module:
    """Return a vision transformer of timm, in eval mode."""
    torch.manual_seed(0)
    return timm.create_model(name, pretrained=False).eval().to(device)


def settled(model: nn.Module, device: str) -> nn.Module:
    """Scale the logits of random weights as training does, and put the classes in order.

    Without, softmax is one-hot, or zero where it is asked. Class 0, which is explained, is then the
    predicted one.
    """
    model = model.eval()
    with torch.no_grad():
        logits = model(pictures(16, 96))
        order = logits.mean(dim=0).argsort(descending=True)
        for own in (model.fc.weight, model.fc.bias):
            own.copy_(own[order] / logits.std())
    return model.to(device)


class FirstChannels(nn.Module):
    """A ResNet whose last map can be explained by its first channels alone, at ``first``.

    The logits are those of the whole network: Score-CAM's passes cost what they cost, there are
    fewer of them.
    """

    def __init__(self, resnet: nn.Module, channels: int) -> None:
        super().__init__()
        parts = dict(resnet.named_children())
        self.head, self.pool = parts.pop("fc"), parts.pop("avgpool")
        self.trunk = nn.Sequential(*parts.values())
        self.first = nn.Identity()
        self.channels = channels

    def forward(self, inputs: Tensor) -> Tensor:
        """Return logits n y."""
        maps = self.trunk(inputs)
        kept = self.first(maps[:, : self.channels])
        whole = torch.cat([kept, maps[:, self.channels :]], dim=1)
        return self.head(self.pool(whole).flatten(1))


@cache
def first_channels(name: str, channels: int, device: str = "cpu") -> FirstChannels:
    """Return a ResNet that is explained by so many channels, in eval mode."""
    return FirstChannels(network(name, device), channels).eval()
