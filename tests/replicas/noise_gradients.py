"""Input x gradient, integrated gradients, SmoothGrad and VarGrad, one image at a time."""

import numpy as np

from replicas.common import array
from replicas.gradient import input_gradients, reduced


def input_x_gradient(network, images, targets, *, reduce="sum"):
    gradients = input_gradients(network, images, targets)
    return reduced(array(images)[:, None] * gradients, reduce=reduce)


def integrated_gradients(network, images, targets, points, *, baseline=0.0, reduce="sum"):
    """Sundararajan et al. 2017, Eq. 1: (x - b) times the weighted sum of gradients on the way."""
    total = 0.0
    for share, weight in points:
        place = baseline + share * (images - baseline)
        total = total + weight * input_gradients(network, place, targets)
    return reduced((array(images) - baseline)[:, None] * total, reduce=reduce)


def calm_integrated_gradients(network, images, targets, steps):
    """1/m sum_(k=0..m) of max_c |dy/dx| at k/m x, not times x."""
    total = 0.0
    for k in range(steps + 1):
        total = total + reduced(input_gradients(network, k / steps * images, targets))
    return total / steps


def smooth_grad(network, copies, targets, variant):
    """`copies`: the noisy images, one batch after another."""
    found = [input_gradients(network, noisy, targets) for noisy in copies]
    if variant == "calm":
        return sum(reduced(g) for g in found) / len(found)
    if variant == "squared":
        found = [g * g for g in found]
    return reduced(sum(found) / len(found))


def var_grad(network, copies, targets, variant):
    """E[s^2] - E[s]^2."""
    found = [input_gradients(network, noisy, targets) for noisy in copies]
    if variant == "calm":
        found = [reduced(g) for g in found]
    mean = sum(found) / len(found)
    variance = np.mean([(g - mean) ** 2 for g in found], axis=0)
    return variance if variant == "calm" else reduced(variance)
