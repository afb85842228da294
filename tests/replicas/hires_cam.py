"""HiRes-CAM. Draelos and Carin 2020: L(i, j) = ReLU(sum_k dy^c/dA_k(i, j) A_k(i, j))."""

import numpy as np

from replicas.common import gradients_at, per_image_and_target, rectified


def hires_cam(activations, gradients, *, relu=True):
    def one(planes, slopes):
        channels, rows, columns = planes.shape
        plane = np.zeros((rows, columns))
        for k in range(channels):
            for i in range(rows):
                for j in range(columns):
                    plane[i, j] += slopes[k, i, j] * planes[k, i, j]
        return rectified(plane) if relu else plane

    return per_image_and_target(activations, gradients, one)


def hires_cam_of(trunk, tail, images, targets, *, relu=True):
    activations = trunk(images)
    return hires_cam(activations, gradients_at(tail, activations, targets), relu=relu)
