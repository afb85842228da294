"""CAPE. Chowdhury et al. 2024, Eq. 3, 4, 6-9 and the losses of Eq. 10 and 11, cell by cell.

M'_c(i, j) = sum_k W_ck F_k(i, j) + b_c. The paper writes one temperature, the published code three:
t1 for the class term, t2 for the saliency term, t3 for both, each as x / e^t.
"""

import math

import numpy as np

from replicas.common import array, softmax


def class_maps(activations, weight, bias=None):
    """M' of shape (n, y, i, j) from activations (n, k, i, j), weight (y, k) and bias (y)."""
    activations, weight = array(activations), array(weight)
    images, channels, rows, columns = activations.shape
    maps = np.zeros((images, len(weight), rows, columns))
    for n in range(images):
        for c in range(len(weight)):
            for i in range(rows):
                for j in range(columns):
                    total = 0.0 if bias is None else float(bias[c])
                    for k in range(channels):
                        total += weight[c, k] * activations[n, k, i, j]
                    maps[n, c, i, j] = total
    return maps


def conditional(maps, t1=0.0, t3=0.0):
    """Eq. 3 for one image: softmax over the classes at every cell."""
    classes, rows, columns = maps.shape
    result = np.zeros(maps.shape)
    for i in range(rows):
        for j in range(columns):
            row = [maps[c, i, j] / math.exp(t1) / math.exp(t3) for c in range(classes)]
            result[:, i, j] = softmax(row)
    return result


def mean_map(maps, t2=0.0):
    """Mean over the classes of M' / e^t2, for one image."""
    classes, rows, columns = maps.shape
    result = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            for c in range(classes):
                result[i, j] += maps[c, i, j] / math.exp(t2) / classes
    return result


def saliency(maps, t2=0.0, t3=0.0):
    """Eq. 7 for one image: softmax over the cells of the mean map."""
    means = mean_map(maps, t2) / math.exp(t3)
    return np.array(softmax(list(means.flat))).reshape(means.shape)


def contributions(maps, t1=0.0, t2=0.0, t3=0.0):
    """Eq. 8 for one image: P(c, i, j)."""
    given, prior = conditional(maps, t1, t3), saliency(maps, t2, t3)
    classes, rows, columns = maps.shape
    result = np.zeros(maps.shape)
    for c in range(classes):
        for i in range(rows):
            for j in range(columns):
                result[c, i, j] = given[c, i, j] * prior[i, j]
    return result


def prediction(maps, t1=0.0, t2=0.0, t3=0.0):
    """Eq. 6 for one image: the sum of the contributions of each class."""
    shares = contributions(maps, t1, t2, t3)
    return [sum(float(value) for value in plane.flat) for plane in shares]


def naive_contributions(maps):
    """Eq. 4 for one image: every cell weighs 1 / HW."""
    return conditional(maps) / (maps.shape[1] * maps.shape[2])


def mu_map(maps, t1=0.0, t2=0.0):
    """max(M'_c + mean M', 0) for one image, with t1 and t2 as in the code."""
    means = mean_map(maps, t2)
    classes, rows, columns = maps.shape
    result = np.zeros(maps.shape)
    for c in range(classes):
        for i in range(rows):
            for j in range(columns):
                result[c, i, j] = max(maps[c, i, j] / math.exp(t1) + means[i, j], 0.0)
    return result


def joint_softmax(maps):
    """Eq. 9 read as one softmax over all voxels: not what Eq. 8 and the code compute."""
    energies = maps + mean_map(maps)
    return np.array(softmax(list(energies.flat))).reshape(maps.shape)


def every(one, maps, *temperatures):
    """Stack `one(maps of one image, ...)` over the images."""
    return np.stack([np.array(one(plane, *temperatures)) for plane in array(maps)])


def vanilla(activations, weight, bias):
    """Eq. 1: logits of average pooling and a linear layer."""
    maps = class_maps(activations, weight, bias)
    return maps.mean((2, 3))


def divergence(teacher, student):
    """KL(teacher || student) of two lists of probabilities."""
    pairs = zip(teacher, student, strict=True)
    return sum(p * (math.log(p) - math.log(q)) for p, q in pairs if p > 0)


def distillation(soft_probabilities, teacher_logits, temperature=2.0):
    """The code's KD: KL(softmax(y / T) || p_soft) T^2, summed over classes, mean over images."""
    total = 0.0
    for student, logits in zip(soft_probabilities, teacher_logits, strict=True):
        teacher = softmax([float(value) / temperature for value in logits])
        total += divergence(teacher, student) * temperature**2
    return total / len(soft_probabilities)


def selective(soft_probabilities, teacher_logits, probabilities, temperature=2.0):
    """The second term of Eq. 11: images count only where the two argmaxes differ; mean over all."""
    total = 0.0
    for student, logits, p in zip(soft_probabilities, teacher_logits, probabilities, strict=True):
        if int(np.argmax(p)) != int(np.argmax(array(logits))):
            total += distillation([student], [logits], temperature)
    return total / len(soft_probabilities)
