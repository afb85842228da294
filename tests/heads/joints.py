"""Heads and activations that the tests of this folder share."""

import torch

from regionwise.heads.calm import Calm
from regionwise.heads.cape import Cape

HEADS = {
    "cape": Cape,
    "cape three": lambda k, y: Cape(k, y, temperatures="three"),
    "calm": Calm,
    "calm relu": lambda k, y: Calm(k, y, prior="relu"),
    "calm relu, detached": lambda k, y: Calm(k, y, prior="relu", detach_normaliser=True),
}
SHAPES = [(1, 1, 2, 1, 1), (2, 3, 4, 3, 2), (3, 4, 5, 2, 5)]
"""n, k, y, i, j."""


def head_of(kind, channels=4, classes=5, *, dtype=torch.float64, seed=0):
    """A head with every parameter drawn, temperatures and biases too."""
    head = HEADS[kind](channels, classes)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.8)
    return head.to(dtype)


def activations_of(n=2, k=4, i=3, j=2, *, dtype=torch.float64, seed=1, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(n, k, i, j, generator=generator, dtype=torch.float64) * scale).to(dtype)


def joint_of(kind, shape, *, dtype=torch.float64, scale=1.0):
    n, k, y, i, j = shape
    head = head_of(kind, k, y, dtype=dtype)
    return head.joint(activations_of(n, k, i, j, dtype=dtype, scale=scale))
