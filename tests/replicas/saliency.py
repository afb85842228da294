"""From raw maps to saliency: upsample bilinearly (align_corners=False), then min-max each map."""

import numpy as np

from replicas.common import array
from replicas.resize import max_normalised, min_max, upsample


def saliency(maps, size, normalize="min-max"):
    maps = array(maps)
    images, targets = maps.shape[:2]
    result = np.zeros((images, targets, *size))
    finish = {"min-max": min_max, "max": max_normalised}[normalize]
    for n in range(images):
        for t in range(targets):
            result[n, t] = finish(upsample(maps[n, t], size))
    return result
