"""XGrad-CAM. Fu et al. 2020, eq. 8: w_k = sum_ij [A_k(i, j) / sum A_k] g_k(i, j).

L = ReLU(sum_k w_k A_k). A channel whose activations sum to zero gets the weight zero.
"""

from replicas.common import gradients_at, per_image_and_target, rectified, weighted_sum


def xgrad_cam(activations, gradients, *, relu=True):
    def one(planes, slopes):
        weights = []
        for plane, slope in zip(planes, slopes, strict=True):
            total = 0.0
            for value in plane.flat:
                total += value
            weight = 0.0
            if total != 0.0:
                for value, g in zip(plane.flat, slope.flat, strict=True):
                    weight += value / total * g
            weights.append(weight)
        plane = weighted_sum(list(planes), weights)
        return rectified(plane) if relu else plane

    return per_image_and_target(activations, gradients, one)


def xgrad_cam_of(trunk, tail, images, targets, *, relu=True):
    activations = trunk(images)
    return xgrad_cam(activations, gradients_at(tail, activations, targets), relu=relu)
