"""CALM. Kim et al. 2021, section 4: g_yz = softmax_y, h_z = l1-normalised, Eq. 3-7, cell by cell.

The paper's prior is a softplus, the published code's a ReLU. With `normaliser` the sums of the
prior are given numbers: that is how a detached normaliser looks to a central difference.
"""

import math

import numpy as np

from replicas.common import array, softmax


def softplus(value):
    return max(value, 0.0) + math.log1p(math.exp(-abs(value)))


def rectifier(kind):
    return softplus if kind == "softplus" else lambda value: max(value, 0.0)


def given_cell(cues):
    """g for one image: softmax over the classes at every cell."""
    classes, rows, columns = cues.shape
    result = np.zeros(cues.shape)
    for i in range(rows):
        for j in range(columns):
            result[:, i, j] = softmax([cues[c, i, j] for c in range(classes)])
    return result


def unnormalised(scores, kind="softplus"):
    """The positive numbers behind the prior of one image, before they are normalised."""
    positive = rectifier(kind)
    result = np.zeros(scores.shape)
    for i in range(scores.shape[0]):
        for j in range(scores.shape[1]):
            result[i, j] = positive(scores[i, j])
    return result


def prior(scores, kind="softplus", normaliser=None):
    """h for one image: positive numbers over their sum."""
    positive = unnormalised(scores, kind)
    total = sum(float(value) for value in positive.flat) if normaliser is None else normaliser
    return positive / total


def joint(cues, scores, kind="softplus", normaliser=None):
    """g_yz h_z for one image."""
    g, h = given_cell(cues), prior(scores, kind, normaliser)
    result = np.zeros(cues.shape)
    for c in range(len(cues)):
        for i in range(h.shape[0]):
            for j in range(h.shape[1]):
                result[c, i, j] = g[c, i, j] * h[i, j]
    return result


def prediction(shares):
    """p(y | x) = sum_z p(y, z | x)."""
    return [sum(float(value) for value in plane.flat) for plane in shares]


def posterior(shares, c):
    """p(z | x, y) = p(y, z | x) / p(y | x)."""
    return shares[c] / prediction(shares)[c]


def subset(shares, classes):
    """sum_{y in Y} p(y, z | x)."""
    total = np.zeros(shares.shape[1:])
    for c in classes:
        total = total + shares[c]
    return total


def saliency(shares):
    """p(z | x) = sum_y p(y, z | x)."""
    return subset(shares, range(len(shares)))


def counterfactual(shares, a, b):
    """p(A, z | x) - p(B, z | x)."""
    return shares[a] - shares[b]


def marginal_loss(shares, labels):
    """Eq. 3: -log p(y | x), mean over images; `shares` of shape (n, y, i, j)."""
    total = 0.0
    for image, label in zip(array(shares), labels, strict=True):
        total -= math.log(prediction(image)[int(label)])
    return total / len(labels)


def em_loss(shares, slow_shares, labels, epsilon=0.0):
    """Eq. 6 with theta' behind `slow_shares`; the code adds `epsilon` to the denominator."""
    total = 0.0
    for image, slow, label in zip(array(shares), array(slow_shares), labels, strict=True):
        denominator = prediction(slow)[int(label)] + epsilon
        for share, target in zip(image[int(label)].flat, slow[int(label)].flat, strict=True):
            if target > 0:  # 0 log 0 = 0
                total -= target / denominator * math.log(share)
    return total / len(labels)


def posterior_entropy(shares, label):
    """-sum_z p(z | x, y) log p(z | x, y): the gap of Eq. 5 when theta' = theta."""
    return -sum(float(q) * math.log(q) for q in posterior(shares, label).flat if q > 0)


def central_differences(function, values, step=1e-5):
    """Slope of a number-valued function of an array, one entry after the other."""
    values = array(values)
    slopes = np.zeros(values.shape)
    for place in np.ndindex(*values.shape):
        above, below = values.copy(), values.copy()
        above[place] += step
        below[place] -= step
        slopes[place] = (function(above) - function(below)) / (2 * step)
    return slopes
