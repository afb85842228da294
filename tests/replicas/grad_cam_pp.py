"""Grad-CAM++. Chattopadhyay et al. 2018, eq. 19, and the three other quantities of that name.

With y = exp(S) the derivatives of the score are exp(S) g, exp(S) g^2 and exp(S) g^3, so exp(S)
cancels in alpha and is dropped from the weights.

paper      alpha_kij = g^2 / (2 g^2 + (sum_ab A_kab) g^3), 0 where g = 0
official   the authors' TensorFlow code: the alphas of a channel are then divided by their sum over
           the cells with a positive derivative (by 1 if that sum is 0)
local-sum  sum_ab A_kab g_kab^3 in the denominator (many ports)
torch-cam  alpha = g^2: the division is made on a copy
"""

import numpy as np

from replicas.common import gradients_at, per_image_and_target, rectified, relu, weighted_sum


def quotient(numerator, denominator):
    """A denominator of 0 counts as 1, as in the authors' code; where g = 0 this gives alpha = 0."""
    return numerator / (denominator if denominator != 0.0 else 1.0)


def alphas_paper(plane, slope):
    total = 0.0
    for value in plane.flat:
        total += value
    alphas = np.zeros(slope.shape)
    for i in range(slope.shape[0]):
        for j in range(slope.shape[1]):
            alphas[i, j] = quotient(
                slope[i, j] ** 2, 2 * slope[i, j] ** 2 + total * slope[i, j] ** 3
            )
    return alphas


def alphas_official(plane, slope):
    total = 0.0
    for value in plane.flat:
        total += value
    alphas = np.zeros(slope.shape)
    normaliser = 0.0
    for i in range(slope.shape[0]):
        for j in range(slope.shape[1]):
            g = slope[i, j]
            alphas[i, j] = quotient(g**2, 2 * g**2 + total * g**3)
            if g > 0.0:
                normaliser += alphas[i, j]
    return alphas / normaliser if normaliser != 0.0 else alphas


def alphas_local_sum(plane, slope):
    total = 0.0
    for value, g in zip(plane.flat, slope.flat, strict=True):
        total += value * g**3
    alphas = np.zeros(slope.shape)
    for i in range(slope.shape[0]):
        for j in range(slope.shape[1]):
            alphas[i, j] = quotient(slope[i, j] ** 2, 2 * slope[i, j] ** 2 + total)
    return alphas


def alphas_torch_cam(plane, slope):
    alphas = np.zeros(slope.shape)
    for i in range(slope.shape[0]):
        for j in range(slope.shape[1]):
            alphas[i, j] = slope[i, j] ** 2
    return alphas


ALPHAS = {
    "paper": alphas_paper,
    "official": alphas_official,
    "local-sum": alphas_local_sum,
    "torch-cam": alphas_torch_cam,
}


def grad_cam_pp(activations, gradients, *, variant="paper"):
    def one(planes, slopes):
        weights = []
        for plane, slope in zip(planes, slopes, strict=True):
            alphas = ALPHAS[variant](plane, slope)
            weight = 0.0
            for i in range(slope.shape[0]):
                for j in range(slope.shape[1]):
                    weight += alphas[i, j] * relu(slope[i, j])
            weights.append(weight)
        return rectified(weighted_sum(list(planes), weights))

    return per_image_and_target(activations, gradients, one)


def grad_cam_pp_of(trunk, tail, images, targets, *, variant="paper"):
    activations = trunk(images)
    return grad_cam_pp(activations, gradients_at(tail, activations, targets), variant=variant)
