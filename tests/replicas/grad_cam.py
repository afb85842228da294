"""Grad-CAM. Selvaraju et al. 2017, eq. 1 and 2.

alpha_k = (1 / Z) sum_ij dy^c/dA_k(i, j); L = ReLU(sum_k alpha_k A_k), y^c before the softmax.
"""

from replicas.common import gradients_at, per_image_and_target, rectified, weighted_sum


def grad_cam(activations, gradients, *, relu=True):
    def one(planes, slopes):
        weights = []
        for slope in slopes:
            total, cells = 0.0, 0
            for value in slope.flat:
                total += value
                cells += 1
            weights.append(total / cells)
        plane = weighted_sum(list(planes), weights)
        return rectified(plane) if relu else plane

    return per_image_and_target(activations, gradients, one)


def grad_cam_of(trunk, tail, images, targets, *, relu=True):
    """The whole method on a network cut in two."""
    activations = trunk(images)
    return grad_cam(activations, gradients_at(tail, activations, targets), relu=relu)
