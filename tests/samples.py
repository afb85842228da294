"""Random evidence in float64 and the one comparison that every replica test makes."""

import numpy as np
import torch

from replicas.common import array

TOLERANCE = 1e-10
"""How closely a formula must follow its replica, in float64."""

SHAPES = [
    (1, 1, 1, 1, 1),
    (1, 1, 3, 2, 5),
    (2, 3, 4, 3, 3),
    (3, 2, 5, 4, 2),
]
"""n, t, k, i, j: one cell, one image, several targets, maps that are not square."""


def evidence(shape, *, signed, seed=0):
    """Activations (n k i j) and gradients (n t k i j); a fifth of each is exactly zero."""
    n, t, k, i, j = shape
    generator = torch.Generator().manual_seed(seed + 1000 * signed)
    activations = torch.randn(n, k, i, j, generator=generator, dtype=torch.float64)
    if not signed:
        activations = activations.abs()
    activations[torch.rand(n, k, i, j, generator=generator) < 0.2] = 0.0
    gradients = torch.randn(n, t, k, i, j, generator=generator, dtype=torch.float64)
    gradients[torch.rand(n, t, k, i, j, generator=generator) < 0.2] = 0.0
    return activations, gradients


def assert_same(ours, expected, *, tolerance=TOLERANCE):
    """Equal shapes, finite, and close in float64, absolutely or relative to the value."""
    ours = array(ours)
    expected = array(expected)
    assert ours.shape == expected.shape
    assert np.isfinite(ours).all()
    np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


def float64(*values):
    return torch.tensor(*values, dtype=torch.float64)


def chosen(*rows):
    """Targets per image as an integer tensor (n t)."""
    return torch.tensor(rows, dtype=torch.int64)
