"""Score-CAM. Wang et al. 2020, in the four versions that go by that name.

code               alpha_k = p^c(x * H_k), the probability of the class; no baseline, no softmax
                   over channels; a channel whose mask is constant is left out
paper              Algorithm 1: C_k = y^c(x * H_k) - y^c(0), alpha = softmax over the channels of C
pytorch-grad-cam   alpha = softmax over the channels of y^c(x * H_k), masks with align_corners=True
torch-cam          C_k = y^c(x * H_k) - y^c(x), alpha = softmax over the channels of C, masks
                   min-maxed at the layer's resolution and upsampled afterwards

H_k = min-max of the upsampled A_k; L = ReLU(sum_k alpha_k A_k) at the layer's resolution.
One mask and one forward pass at a time.
"""

import numpy as np
import torch

from replicas.common import array, forward_one, rectified, softmax, weighted_sum
from replicas.resize import min_max, upsample

VARIANTS = ("code", "paper", "pytorch-grad-cam", "torch-cam")


def mask_of(plane, size, *, variant="code"):
    """The mask of one channel; zeros for a constant channel."""
    if variant == "torch-cam":
        return upsample(min_max(plane), size)
    return min_max(upsample(plane, size, align_corners=variant == "pytorch-grad-cam"))


def masked(image, mask):
    """x * H, pixel by pixel, the same mask for every colour; what is removed becomes zero."""
    pixels = array(image)
    result = np.zeros(pixels.shape)
    colours, height, width = pixels.shape
    for c in range(colours):
        for y in range(height):
            for x in range(width):
                result[c, y, x] = pixels[c, y, x] * mask[y, x]
    return torch.from_numpy(result).to(image.dtype)


def channel_weights(network, image, planes, target, *, variant="code"):
    size = image.shape[-2:]
    scores, constant = [], []
    for plane in planes:
        mask = mask_of(plane, size, variant=variant)
        logits = forward_one(network, masked(image, mask))
        if variant == "code":
            scores.append(softmax(logits)[target])
        elif variant == "paper":
            black = forward_one(network, torch.zeros_like(image))
            scores.append(logits[target] - black[target])
        elif variant == "pytorch-grad-cam":
            scores.append(logits[target])
        else:
            scores.append(logits[target] - forward_one(network, image)[target])
        constant.append(bool(plane.max() == plane.min()))
    if variant == "code":
        return [0.0 if skip else score for score, skip in zip(scores, constant, strict=True)]
    return softmax(scores)


def score_cam_of(network, trunk, images, targets, *, variant="code"):
    activations = array(trunk(images))
    maps = []
    for n in range(len(images)):
        planes = list(activations[n])
        rows = []
        for target in targets[n]:
            weights = channel_weights(network, images[n], planes, int(target), variant=variant)
            rows.append(rectified(weighted_sum(planes, weights)))
        maps.append(np.stack(rows))
    return np.stack(maps)


def score_cam(activations, weights, *, relu=True):
    """The last step alone: L = ReLU(sum_k alpha_k A_k) for given weights (n, t, k)."""
    activations, weights = array(activations), array(weights)
    maps = []
    for n in range(activations.shape[0]):
        rows = []
        for t in range(weights.shape[1]):
            plane = weighted_sum(list(activations[n]), list(weights[n, t]))
            rows.append(rectified(plane) if relu else plane)
        maps.append(np.stack(rows))
    return np.stack(maps)


def weights_from_logits(masked_logits, logits, baseline_logits, targets, *, variant="code"):
    """alpha from given logits: masked (n, k, y), of the image (n, y) and of the baseline (n, y)."""
    masked_logits, logits = array(masked_logits), array(logits)
    baseline_logits = array(baseline_logits)
    images, channels, _ = masked_logits.shape
    result = np.zeros((images, len(targets[0]), channels))
    for n in range(images):
        for t, target in enumerate(int(value) for value in targets[n]):
            scores = []
            for k in range(channels):
                if variant == "code":
                    scores.append(softmax(masked_logits[n, k].tolist())[target])
                elif variant == "paper":
                    scores.append(masked_logits[n, k, target] - baseline_logits[n, target])
                elif variant == "pytorch-grad-cam":
                    scores.append(masked_logits[n, k, target])
                else:
                    scores.append(masked_logits[n, k, target] - logits[n, target])
            result[n, t] = scores if variant == "code" else softmax(scores)
    return result
