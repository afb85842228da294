"""Cases that the tests of metrics share: a small judge, images, maps."""

import torch
from torch import nn

from nets import PooledNet, seeded
from regionwise.metrics.case import Case
from regionwise.metrics.judge import Judge
from regionwise.models.classifier import Classifier
from regionwise.models.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(size=(8, 6), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.5))


class Mean(nn.Module):
    """Two logits: `gain` times the mean of the inputs, and 0. Its deletion curve is a line."""

    def __init__(self, gain=1.0):
        super().__init__()
        self.gain = gain

    def forward(self, x):
        first = self.gain * x.mean((1, 2, 3))
        return torch.stack([first, torch.zeros_like(first)], dim=1)


class Constant(nn.Module):
    """The same logits whatever is seen."""

    def forward(self, x):
        return torch.tensor([1.0, 0.0, -1.0], dtype=x.dtype).expand(len(x), -1)


class Planted(nn.Module):
    """Its first logit sees nothing but the planted region."""

    def __init__(self, region):
        super().__init__()
        self.region = region

    def forward(self, x):
        seen = (x.mean(1) * self.region).sum((1, 2)) / self.region.sum() * 4
        return torch.stack([seen, 3 - seen], dim=1)


def pixels(n=3, h=8, w=6, seed=3):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, h, w, generator=generator, dtype=torch.float64)


def maps_of(n=3, h=8, w=6, seed=4):
    """Random maps in [0, 1] that reach both ends; some values are equal."""
    generator = torch.Generator().manual_seed(seed)
    maps = torch.rand(n, h, w, generator=generator, dtype=torch.float64)
    maps = (maps * 20).round() / 20
    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)
    return (maps - low) / (high - low)


def network(seed=11):
    return seeded(PooledNet, seed=seed)


def balanced():
    """A network that answers the images of `pixels(8)` with several classes."""
    model = network()
    with torch.no_grad():
        model.fc.bias -= model(pixels(8)).mean(0)
    return model


def judge(seed=11):
    return Judge(Classifier(network(seed), PREPROCESSING))


def case_of(model=None, *, n=3, h=8, w=6, **given):
    """A case of random images and maps; what is given takes the place of what is drawn."""
    return Case(
        **{
            "inputs": pixels(n, h, w),
            "saliency": maps_of(n, h, w),
            "targets": torch.arange(n) % 2,
            "labels": torch.arange(n) % 2,
            "judge": judge() if model is None else Judge(model),
            **given,
        }
    )


def uniform(value, n=3, h=8, w=6):
    return torch.full((n, h, w), value, dtype=torch.float64)
