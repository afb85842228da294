"""Recipro-CAM. Byun and Lee 2022: L(i, j) = p^c of the map in which cell (i, j) is alone.

cell      the cell's features, zero everywhere else
gaussian  the features of the cell and its neighbours times [1 2 1; 2 4 2; 1 2 1] / 16
spread    the cell's features in the cell and in its neighbours, times the same
"""

import numpy as np
import torch

from replicas.common import array, softmax

FILTER = [[1 / 16, 2 / 16, 1 / 16], [2 / 16, 4 / 16, 2 / 16], [1 / 16, 2 / 16, 1 / 16]]


def alone(own, i, j, *, window="cell"):
    """The map of one image (k, i, j) of which one cell is left."""
    _, rows, columns = own.shape
    result = torch.zeros_like(own)
    if window == "cell":
        result[:, i, j] = own[:, i, j]
        return result
    for di in (-1, 0, 1):
        for dj in (-1, 0, 1):
            a, b = i + di, j + dj
            if 0 <= a < rows and 0 <= b < columns:
                source = own[:, a, b] if window == "gaussian" else own[:, i, j]
                result[:, a, b] = source * FILTER[di + 1][dj + 1]
    return result


def recipro_cam_of(trunk, tail, images, targets, *, window="cell"):
    activations = trunk(images).detach()
    n, _, rows, columns = activations.shape
    maps = np.zeros((n, len(targets[0]), rows, columns))
    for index, own in enumerate(activations):
        for i in range(rows):
            for j in range(columns):
                with torch.no_grad():
                    logits = tail(alone(own, i, j, window=window)[None])[0]
                probabilities = softmax(array(logits).tolist())
                for t, target in enumerate(targets[index]):
                    maps[index, t, i, j] = probabilities[int(target)]
    return maps
