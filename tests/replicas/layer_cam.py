"""Layer-CAM. Jiang et al. 2021, eq. 6 to 8: L = ReLU(sum_k ReLU(g_k(i, j)) A_k(i, j))."""

import numpy as np

from replicas.common import gradients_at, per_image_and_target, relu


def layer_cam(activations, gradients):
    def one(planes, slopes):
        channels, rows, columns = planes.shape
        result = np.zeros((rows, columns))
        for i in range(rows):
            for j in range(columns):
                total = 0.0
                for k in range(channels):
                    total += relu(slopes[k, i, j]) * planes[k, i, j]
                result[i, j] = relu(total)
        return result

    return per_image_and_target(activations, gradients, one)


def layer_cam_of(trunk, tail, images, targets):
    activations = trunk(images)
    return layer_cam(activations, gradients_at(tail, activations, targets))
