"""RISE and occlusion, one masked image at a time.

RISE, Petsiuk et al. 2018, Eq. 6: S = 1/(N p) sum_i p^c(x * m_i) m_i.
Occlusion, Zeiler and Fergus 2014: each pixel gets the mean drop over the windows that hide it.
"""

import math

import numpy as np
import torch

from replicas.common import array, forward_one, softmax
from replicas.resize import upsample
from replicas.score_cam import masked


def rise_mask(grid, shift, size):
    """Upsample to (s + 1) cells of ceil(size / s), cut out a window that starts inside a cell."""
    s = len(grid)
    cells = [math.ceil(side / s) for side in size]
    full = upsample(array(grid), ((s + 1) * cells[0], (s + 1) * cells[1]))
    top, left = math.floor(shift[0] * cells[0]), math.floor(shift[1] * cells[1])
    return full[top : top + size[0], left : left + size[1]]


def rise_of(network, images, targets, grids, shifts, keep):
    size = tuple(images.shape[-2:])
    masks = [rise_mask(g, s, size) for g, s in zip(grids, shifts.tolist(), strict=True)]
    maps = []
    for n in range(len(images)):
        p = [softmax(forward_one(network, masked(images[n], mask))) for mask in masks]
        rows = []
        for target in targets[n]:
            total = np.zeros(size)
            for scores, mask in zip(p, masks, strict=True):
                total += scores[int(target)] * mask
            rows.append(total / (len(masks) * keep))
        maps.append(np.stack(rows))
    return np.stack(maps)


def occlusion_of(network, images, targets, window, stride, fill):
    """Windows start every `stride` pixels; a last one ends at the border."""
    height, width = images.shape[-2:]
    tall, wide = min(window, height), min(window, width)
    tops = sorted({*range(0, height - tall + 1, stride), height - tall})
    lefts = sorted({*range(0, width - wide + 1, stride), width - wide})
    maps = []
    for image, wanted in zip(images, targets, strict=True):
        whole = softmax(forward_one(network, image))
        total, times = np.zeros((len(wanted), height, width)), np.zeros((height, width))
        for top in tops:
            for left in lefts:
                hidden = array(image)
                hidden[:, top : top + tall, left : left + wide] = fill
                p = softmax(forward_one(network, torch.from_numpy(hidden)))
                times[top : top + tall, left : left + wide] += 1
                for t, target in enumerate(int(value) for value in wanted):
                    total[t, top : top + tall, left : left + wide] += whole[target] - p[target]
        maps.append(total / times)
    return np.stack(maps)
