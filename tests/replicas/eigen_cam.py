"""Eigen-CAM. Muhammad and Yeasin 2020: O = U S V^T (cells x channels), L = O V_1.

One image at a time, by a full singular value decomposition. The sign makes the inner product of
the map with mean_k |A_k| positive. centred: every channel's mean is subtracted from O first.
"""

import numpy as np

from replicas.common import array


def eigen_cam(activations, *, variant="paper"):
    maps = []
    for planes in array(activations):
        channels, rows, columns = planes.shape
        matrix = np.zeros((rows * columns, channels))
        strength = np.zeros(rows * columns)
        for k in range(channels):
            matrix[:, k] = planes[k].reshape(-1)
            strength += abs(matrix[:, k]) / channels
            if variant == "centred":
                matrix[:, k] -= sum(matrix[:, k]) / len(matrix)
        _, _, right = np.linalg.svd(matrix, full_matrices=True)
        projected = matrix @ right[0]
        if projected @ strength < 0:
            projected = -projected
        maps.append(projected.reshape(rows, columns))
    return np.stack(maps)
