"""SS-CAM and IS-CAM: alpha = softmax over channels of the mean logit of the masked images."""

import numpy as np
import torch

from replicas.common import array, forward_one, rectified, softmax, weighted_sum
from replicas.score_cam import mask_of, masked


def from_scores(planes, scores):
    """scores: one list of samples per channel."""
    weights = softmax([sum(samples) / len(samples) for samples in scores])
    return rectified(weighted_sum(planes, weights))


def ss_cam(network, image, planes, target, noise, *, variant="activations"):
    """`noise[k][i]`: what is added to the mask of channel k, or `noise[i]` to the image."""
    size = tuple(image.shape[-2:])
    order = "torch-cam" if variant == "torch-cam" else "code"
    scores = []
    for k, plane in enumerate(planes):
        mask = mask_of(plane, size, variant=order)
        if variant == "inputs":
            pictures = [masked(image + torch.from_numpy(e), mask) for e in noise]
        else:
            pictures = [masked(image, mask + e) for e in noise[k]]
        scores.append([forward_one(network, picture)[target] for picture in pictures])
    return from_scores(planes, scores)


def is_cam(network, image, planes, target, steps, *, variant="path"):
    size = tuple(image.shape[-2:])
    order = "torch-cam" if variant == "torch-cam" else "code"
    scores = []
    for plane in planes:
        mask = mask_of(plane, size, variant=order)
        share, samples = 0.0, []
        for i in range(1, steps + 1):
            share = share + i / steps if variant == "torch-cam" else i / steps
            samples.append(forward_one(network, masked(image, share * mask))[target])
        scores.append(samples)
    return from_scores(planes, scores)


def is_cam_of(network, trunk, images, targets, steps, *, variant="path"):
    activations = array(trunk(images))
    return np.stack(
        [
            np.stack(
                [
                    is_cam(network, images[n], list(planes), int(t), steps, variant=variant)
                    for t in targets[n]
                ]
            )
            for n, planes in enumerate(activations)
        ]
    )
