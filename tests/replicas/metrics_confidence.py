"""Metrics of confidence, one image and one pixel at a time.

Average drop, increase in confidence, win: Chattopadhyay et al. 2018, Sec. 4.1.
Average drop in deletion: Chowdhury et al. 2024, Sec. 4.3. Logit: Mitra et al. 2024, Table 7.
Coherency, complexity, ADCC: Poppi et al. 2021, Eq. 3-5.
"""

import math

import numpy as np
import torch

from replicas.common import array, forward_one, softmax


def top_half(plane):
    """Values of the higher half of the pixels; of equal ones the first in reading order."""
    rows, columns = plane.shape
    places = sorted(
        ((-plane[y, x], y, x) for y in range(rows) for x in range(columns)),
    )[: rows * columns // 2]
    kept = np.zeros((rows, columns))
    for _, y, x in places:
        kept[y, x] = plane[y, x]
    return kept


def mixed(image, keep, instead):
    """keep x + (1 - keep) b, pixel by pixel."""
    image, result = array(image), array(image)
    for c in range(image.shape[0]):
        for y in range(image.shape[1]):
            for x in range(image.shape[2]):
                k = keep[y, x]
                result[c, y, x] = k * image[c, y, x] + (1 - k) * instead[c, y, x]
    return torch.from_numpy(result)


def score_of(network, image, target, score):
    logits = forward_one(network, image)
    return logits[target] if score == "logit" else softmax(logits)[target]


def before_and_after(network, image, plane, target, **how):
    """Y of the image and O (or D) of what is kept (or left)."""
    plane = array(plane)
    keep = top_half(plane) if how.get("keep") == "top-half" else plane
    if how.get("remove"):
        keep = 1 - keep
    instead = how.get("instead")
    instead = np.zeros(image.shape) if instead is None else array(instead)
    score = how.get("score", "probability")
    y = score_of(network, image, target, score)
    return y, score_of(network, mixed(image, keep, instead), target, score)


def average_drop(y, o):
    return max(0.0, y - o) / y


def increase(y, o, strict=True):
    return float(y < o if strict else y <= o)


def win_shares(rows, ties="split"):
    """rows[a][n]: the share of images each method wins."""
    methods, images = len(rows), len(rows[0])
    won = [0.0] * methods
    for n in range(images):
        best = max(rows[a][n] for a in range(methods))
        winners = [a for a in range(methods) if rows[a][n] == best]
        if ties == "first":
            won[winners[0]] += 1
        else:
            for a in winners:
                won[a] += 1 / len(winners)
    return [count / images for count in won]


def pearson(first, second):
    a, b = array(first).ravel().tolist(), array(second).ravel().tolist()
    if len(set(a)) == 1 or len(set(b)) == 1:
        return math.nan
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    top = sum((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True))
    bottom = sum((p - mean_a) ** 2 for p in a) * sum((q - mean_b) ** 2 for q in b)
    return top / math.sqrt(bottom)


def coherency(first, second):
    rho = pearson(first, second)
    return 0.0 if math.isnan(rho) else (rho + 1) / 2


def complexity(plane):
    values = array(plane).ravel().tolist()
    return sum(abs(v) for v in values) / len(values)


def adcc(coh, com, drop):
    """0 where a part is 0, so that nothing is divided by it."""
    if coh == 0 or com == 1 or drop == 1:
        return 0.0
    return 3 / (1 / coh + 1 / (1 - com) + 1 / (1 - drop))


def adcc_as_published(coh, com, drop):
    """The authors' code: complexity is a tensor there, the others are numbers."""
    return float(3 / (1 / coh + 1 / (1 - torch.tensor(float(com))) + 1 / (1 - drop)))


def gini(plane):
    """Mean absolute difference of all pairs over twice the mean."""
    values = [abs(v) for v in array(plane).ravel().tolist()]
    differences = sum(abs(a - b) for a in values for b in values)
    return differences / (2 * len(values) * sum(values))


def map_iou(first, second, threshold):
    first, second = array(first), array(second)
    both = either = 0
    for y in range(first.shape[0]):
        for x in range(first.shape[1]):
            a = first[y, x] > threshold * first.max()
            b = second[y, x] > threshold * second.max()
            both += a and b
            either += a or b
    return both / either if either else math.nan
