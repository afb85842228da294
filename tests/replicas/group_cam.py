"""Group-CAM. Zhang et al. 2021, group after group.

M_g = ReLU of the sum over the group of mean(g_k) A_k, H_g = min-max of the upsampled M_g,
s_g = ReLU(p^c(x H_g + blur(x) (1 - H_g)) - p^c(blur(x))), L = sum_g s_g M_g.
"""

import math

import numpy as np
import torch

from replicas.blur import gaussian_blur
from replicas.common import array, forward_one, gradients_at, rectified, relu, softmax
from replicas.resize import upsample
from replicas.union_cam import percentile


def group_map(planes, gradients):
    total = np.zeros(planes[0].shape)
    for plane, gradient in zip(planes, gradients, strict=True):
        total += sum(gradient.flat) / gradient.size * plane
    return rectified(total)


def grouped(items, groups):
    """In order, ceil(K / groups) at a time."""
    width = math.ceil(len(items) / groups)
    return [items[start : start + width] for start in range(0, len(items), width)]


def group_cam(network, image, planes, gradients, target, *, groups, variant="plain"):
    pixels, size = array(image), tuple(image.shape[-2:])
    blurred = np.stack([gaussian_blur(plane, 51, 50.0) for plane in pixels])

    def probability(picture):
        return softmax(forward_one(network, torch.from_numpy(picture)))[target]

    nothing = probability(blurred)
    total = np.zeros(planes[0].shape)
    pairs = zip(grouped(planes, groups), grouped(gradients, groups), strict=True)
    for some_planes, some_gradients in pairs:
        plane = group_map(some_planes, some_gradients)
        if variant == "denoised":
            threshold = percentile(list(plane.flat), 70)
            plane = np.array([[v if v > threshold else 0.0 for v in row] for row in plane])
        if plane.max() == plane.min():
            continue
        full = upsample(plane, size)
        low, high = full.min(), full.max()
        mask = (full - low) / (high - low)
        gain = probability(pixels * mask + blurred * (1 - mask)) - nothing
        if variant == "denoised":
            total += gain * (plane - low) / (high - low)
        else:
            total += relu(gain) * plane
    return rectified(total)


def group_cam_of(network, trunk, tail, images, targets, *, groups, variant="plain"):
    activations = trunk(images).detach()
    gradients = gradients_at(tail, activations, targets)
    planes = array(activations)
    maps = [
        [
            group_cam(
                network,
                images[n],
                list(planes[n]),
                list(gradients[n, t]),
                int(target),
                groups=groups,
                variant=variant,
            )
            for t, target in enumerate(targets[n])
        ]
        for n in range(len(images))
    ]
    return np.array(maps)
