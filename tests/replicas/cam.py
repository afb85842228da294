"""CAM. Zhou et al. 2016, eq. 2: M_c(i, j) = sum_k w_ck A_k(i, j). Signed; the bias is optional."""

import numpy as np

from replicas.common import array


def cam(activations, class_weights, class_bias=None):
    activations, class_weights = array(activations), array(class_weights)
    images, channels, rows, columns = activations.shape
    targets = class_weights.shape[1]
    maps = np.zeros((images, targets, rows, columns))
    for n in range(images):
        for t in range(targets):
            for i in range(rows):
                for j in range(columns):
                    total = 0.0
                    for k in range(channels):
                        total += class_weights[n, t, k] * activations[n, k, i, j]
                    if class_bias is not None:
                        total += float(class_bias[n, t])
                    maps[n, t, i, j] = total
    return maps


def superset(class_maps, classes):
    """CAM + Y of one image (Kim et al. 2021, Table 3): the min-maxed maps of a set, added up."""
    total = np.zeros(class_maps.shape[1:])
    for c in classes:
        low, high = class_maps[c].min(), class_maps[c].max()
        for i in range(total.shape[0]):
            for j in range(total.shape[1]):
                total[i, j] += (class_maps[c, i, j] - low) / (high - low)
    return total
