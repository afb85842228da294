"""LIFT-CAM. Jung and Oh 2021: alpha_k = sum_ij C(A_k(i, j)), L = ReLU(sum_k alpha_k A_k).

C are DeepLIFT contributions against a map of zeros, by the rescale rule (Shrikumar et al. 2017):
through a linear step the contributions are what its weights make of the differences; through an
elementwise function f they are multiplied by (f(x) - f(x')) / (x - x'), f'(x) where x = x'.
Written out below for two tails, unit by unit; and the integral of the gradient along the straight
path from zero, summed by the midpoint rule, for any tail.
"""

import math

import numpy as np
import torch

from replicas.common import array, rectified, weighted_sum


def multiplier(f, x, reference, slope):
    return slope(x) if x == reference else (f(x) - f(reference)) / (x - reference)


FUNCTIONS = {
    "relu": (lambda x: max(0.0, x), lambda x: float(x > 0)),
    "tanh": (math.tanh, lambda x: 1 - math.tanh(x) ** 2),
}


def pooled_alphas(planes, class_weights):
    """Behind pooling and a linear layer: alpha_k = w_k mean(A_k)."""
    return [
        w * sum(plane.flat) / plane.size for plane, w in zip(planes, class_weights, strict=True)
    ]


def hidden_alphas(planes, first, bias, second, function):
    """Tail: f on every activation, mean over cells, linear, f on every hidden unit, linear.

    `first` is hidden x channels, `bias` hidden, `second` hidden (the weights of one class).
    """
    f, slope = FUNCTIONS[function]
    cells = planes[0].size
    pooled = [sum(f(float(x)) for x in plane.flat) / cells for plane in planes]
    at_zero = [f(0.0) for _ in planes]
    back = []
    for h in range(len(first)):
        x = bias[h] + sum(first[h][k] * pooled[k] for k in range(len(planes)))
        reference = bias[h] + sum(first[h][k] * at_zero[k] for k in range(len(planes)))
        back.append(second[h] * multiplier(f, x, reference, slope))
    alphas = []
    for k, plane in enumerate(planes):
        per_pooled = sum(back[h] * first[h][k] for h in range(len(first)))
        total = 0.0
        for x in plane.flat:
            total += per_pooled / cells * multiplier(f, float(x), 0.0, slope) * float(x)
        alphas.append(total)
    return alphas


def path_alphas(tail, own, target, *, steps=2000):
    total = np.zeros(own.shape)
    for step in range(steps):
        leaf = (own * ((step + 0.5) / steps)).detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(tail(leaf[None].clone())[0, target], leaf)
        total += array(gradient) / steps
    return [float((total[k] * array(own[k])).sum()) for k in range(len(own))]


def lift_cam(planes, alphas):
    return rectified(weighted_sum(list(planes), alphas))
