"""Ablation-CAM. Desai and Ramaswamy 2020: w_k = (y^c - y^c_k) / y^c, L = ReLU(sum_k w_k A_k).

y^c_k is the logit when channel k of the layer is set to zero; one channel, one pass.
absolute divides by |y^c|, difference by nothing.
"""

import numpy as np
import torch

from replicas.common import array, rectified, weighted_sum


def logit(tail, map_, target):
    with torch.no_grad():
        return float(tail(map_[None].clone())[0, target])


def channel_weights(tail, own, target, *, variant="absolute"):
    score = logit(tail, own, target)
    weights = []
    for k in range(len(own)):
        changed = own.clone()
        changed[k] = 0.0
        drop = score - logit(tail, changed, target)
        divisor = {"paper": score, "absolute": abs(score), "difference": 1.0}[variant]
        weights.append(drop / divisor)
    return weights


def ablation_cam_of(trunk, tail, images, targets, *, variant="absolute"):
    maps = []
    for own, row in zip(trunk(images).detach(), targets, strict=True):
        planes = list(array(own))
        rows = []
        for target in row:
            weights = channel_weights(tail, own, int(target), variant=variant)
            rows.append(rectified(weighted_sum(planes, weights)))
        maps.append(np.stack(rows))
    return np.stack(maps)
