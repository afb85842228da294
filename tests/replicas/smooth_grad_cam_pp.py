"""Smooth Grad-CAM++. Omeiza et al. 2019, and two ports, cell by cell.

alpha = D2 / (2 D2 + (sum_ab A) D3), w = sum_ij alpha ReLU(D1), Dp the mean of g^p over copies.
"""

import numpy as np

from replicas.common import array, gradients_at, rectified, relu, weighted_sum
from replicas.resize import min_max

VARIANTS = ("second-order", "first-order", "torch-cam")


def weight(plane, first, second, third, variant):
    total = 0.0
    rows, columns = plane.shape
    for i in range(rows):
        for j in range(columns):
            if variant == "torch-cam":
                last = sum((plane * third).flat)
            else:
                last = sum(plane.flat) * third[i, j]
            denominator = 2 * second[i, j] + last
            if denominator == 0:
                continue
            numerator = first[i, j] if variant == "first-order" else second[i, j]
            total += numerator / denominator * relu(first[i, j])
    return total


def smooth_map(planes, first, second, third, variant, *, summed=None):
    weights = [
        weight(*evidence, variant) for evidence in zip(planes, first, second, third, strict=True)
    ]
    return rectified(weighted_sum(list(planes if summed is None else summed), weights))


def local_map(planes, gradients):
    """Grad-CAM++ with sum_ab (A g^3), min-maxed, as the port does for every copy."""
    weights = []
    for plane, g in zip(planes, gradients, strict=True):
        total = 0.0
        for value in g.flat:
            denominator = 2 * value**2 + sum((plane * g**3).flat)
            total += value**2 / (denominator if denominator != 0 else 1) * relu(value)
        weights.append(total)
    return min_max(rectified(weighted_sum(list(planes), weights)))


def smooth_grad_cam_pp_of(trunk, tail, images, copies, targets, variant):
    """`copies`: the noisy images, one batch after another."""
    clean = array(trunk(images))
    seen = [trunk(noisy).detach() for noisy in copies]
    slopes = [gradients_at(tail, activations, targets) for activations in seen]
    maps = []
    for n in range(len(images)):
        rows = []
        for t in range(len(targets[n])):
            g = [slope[n, t] for slope in slopes]
            if variant == "yiskw713":
                own = [local_map(array(a)[n], s) for a, s in zip(seen, g, strict=True)]
                rows.append(sum(own) / len(own))
                continue
            d1, d2, d3 = (sum(s**p for s in g) / len(g) for p in (1, 2, 3))
            if variant == "torch-cam":
                last = array(seen[-1])[n]
                rows.append(smooth_map(clean[n], g[-1], d2, d3, variant, summed=last))
            else:
                rows.append(smooth_map(clean[n], d1, d2, d3, variant))
        maps.append(np.stack(rows))
    return np.stack(maps)
