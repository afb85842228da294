"""FD-CAM. Li et al. 2022, after the authors' code.

S(k, l) = cosine of the flattened channels, 0 for a dead one; group of k = {l : S(k, l) > the
theta quantile of S(k, .)}; s_k = y(group alone) + [y - y(all but the group)];
w_k = exp(minmax s_k) minmax(mean g_k) - 0.5; L = ReLU(sum_k w_k A_k).
"""

import math

import numpy as np
import torch

from replicas.ablation_cam import logit
from replicas.common import array, gradients_at, rectified, weighted_sum


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a.flat, b.flat, strict=True))
    lengths = math.sqrt(sum(x * x for x in a.flat)) * math.sqrt(sum(y * y for y in b.flat))
    return dot / lengths if lengths > 0 else 0.0


def quantile(values, theta):
    """Linear interpolation between the two neighbours."""
    ordered = sorted(values)
    place = theta * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def groups(planes, theta):
    result = []
    for a in planes:
        similar = [cosine(a, b) for b in planes]
        bound = quantile(similar, theta)
        result.append([s > bound for s in similar])
    return result


def min_max(values):
    low, high = min(values), max(values)
    return [(v - low) / (high - low) if high > low else 0.0 for v in values]


def weights_from(scores, mean_gradients):
    return [
        math.exp(s) * g - 0.5 for s, g in zip(min_max(scores), min_max(mean_gradients), strict=True)
    ]


def channel_weights(tail, own, target, slopes, theta):
    scores, score = [], logit(tail, own, target)
    for group in groups(list(array(own)), theta):
        keep = torch.tensor(group, dtype=own.dtype)[:, None, None]
        on = logit(tail, own * keep, target)
        off = logit(tail, own * (1 - keep), target)
        scores.append(on + (score - off))
    return weights_from(scores, [float(np.mean(slope)) for slope in slopes])


def fd_cam_of(trunk, tail, images, targets, *, theta=0.95):
    activations = trunk(images).detach()
    gradients = gradients_at(tail, activations, targets)
    maps = []
    for n, own in enumerate(activations):
        rows = []
        for t, target in enumerate(targets[n]):
            weights = channel_weights(tail, own, int(target), gradients[n, t], theta)
            rows.append(rectified(weighted_sum(list(array(own)), weights)))
        maps.append(np.stack(rows))
    return np.stack(maps)
