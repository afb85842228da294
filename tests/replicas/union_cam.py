"""UnionCAM. Hu et al. 2024, Eq. 1-8, one image and one target at a time.

Eq. 1   W_ij stays if W_ij >= p(W, theta), else 0
Eq. 2   L_D = sum_l alpha_l * ReLU(W_l) * A_l
Eq. 3   alpha_lij = 1 / sum of the positive W_l where W_lij > 0, else 0
Eq. 4   beta_D = f(L_D * I) - f(I_b), likewise beta_R (5) and beta_DR (7)
Eq. 6   L_DR = beta_D L_D + beta_R L_R
Eq. 8   L_DR if beta_DR > beta_R, else L_R
"""

import numpy as np
import torch

from replicas.common import array, forward_one, gradients_at, relu, softmax, weighted_sum
from replicas.resize import min_max, upsample
from replicas.score_cam import masked


def percentile(values, theta):
    """Linear interpolation between the sorted values."""
    ordered = sorted(values)
    place = theta / 100 * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def denoised(gradient, theta):
    """Eq. 1 for one channel."""
    threshold = percentile(list(gradient.flat), theta)
    result = np.zeros(gradient.shape)
    for i in range(gradient.shape[0]):
        for j in range(gradient.shape[1]):
            if gradient[i, j] >= threshold:
                result[i, j] = gradient[i, j]
    return result


def denoised_map(planes, gradients, *, alpha="sum"):
    """Eq. 2 and 3 for one image and target."""
    rows, columns = planes[0].shape
    total = np.zeros((rows, columns))
    for plane, gradient in zip(planes, gradients, strict=True):
        positive = [value for value in gradient.flat if value > 0]
        for i in range(rows):
            for j in range(columns):
                if gradient[i, j] > 0:
                    divisor = sum(positive) if alpha == "sum" else len(positive)
                    total[i, j] += relu(gradient[i, j]) / divisor * plane[i, j]
    return total


def scored(network, image, mask, target):
    """p^c(mask * I) - p^c(black)."""
    black = softmax(forward_one(network, torch.zeros_like(image)))[target]
    return softmax(forward_one(network, masked(image, mask)))[target] - black


def region_map(network, image, planes, target):
    size = tuple(image.shape[-2:])
    weights = []
    for plane in planes:
        if plane.max() == plane.min():
            weights.append(0.0)
            continue
        mask = min_max(upsample(plane, size))
        weights.append(softmax(forward_one(network, masked(image, mask)))[target])
    return weighted_sum(planes, weights)


def union_cam(network, image, planes, gradients, target, *, settings):
    """The map, its parts and the decision for one image and one target."""
    size = tuple(image.shape[-2:])
    theta, alpha, scale, modules, negative = settings
    if "denoise" in modules:
        gradients = [denoised(g, theta) for g in gradients]
    part_d = denoised_map(planes, gradients, alpha=alpha)
    part_r = region_map(network, image, planes, target)
    if scale == "min-max":
        part_d, part_r = min_max(part_d), min_max(part_r)

    def beta(plane):
        return scored(network, image, min_max(upsample(plane, size)), target)

    beta_d, beta_r = beta(part_d), beta(part_r)
    united = beta_d * part_d + beta_r * part_r if "unite" in modules else part_d
    if "select" not in modules:
        return united
    if negative == "region" and beta_d < 0 and beta_r < 0:
        return part_r
    return united if beta(united) > beta_r else part_r


def union_cam_of(network, trunk, tail, images, targets, *, settings):
    activations = trunk(images).detach()
    gradients = gradients_at(tail, activations, targets)
    planes = array(activations)
    return np.stack(
        [
            np.stack(
                [
                    union_cam(
                        network,
                        images[n],
                        list(planes[n]),
                        list(gradients[n, t]),
                        int(target),
                        settings=settings,
                    )
                    for t, target in enumerate(targets[n])
                ]
            )
            for n in range(len(images))
        ]
    )
