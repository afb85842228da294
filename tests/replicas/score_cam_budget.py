"""Score-CAM from a few scores, word by word: every estimate by itself, then their mean.

A set of b channels is drawn with a probability in proportion to the product of its sizes. For each
k of it: the others are known; each channel that is not among them is guessed by ordinary kriging
(the weighted mean of the known scores with the least variance); k was drawn from those that are
not among them with probability q = s_k / (their sizes), so (score - guess) / q is added to it.
"""

import itertools
import math

import numpy as np

from replicas.common import array

REACH, NUGGET = 3.0, 0.03


def covariance(masks):
    masks = array(masks)
    count = len(masks)
    squares = [[float(((a - b) ** 2).sum()) for b in masks] for a in masks]
    mean = sum(map(sum, squares)) / count**2
    result = np.zeros((count, count))
    for a in range(count):
        for b in range(count):
            r = math.sqrt(3 * squares[a][b] / (REACH * mean)) if mean > 0 else 0.0
            result[a, b] = (1 + r) * math.exp(-r) + (NUGGET if a == b else 0.0)
    return result


def kriged(cov, known, place):
    """The weights of the known scores in the guess at `place`, and the variance of its error."""
    count = len(known)
    system, right = np.ones((count + 1, count + 1)), np.ones(count + 1)
    system[count, count] = 0.0
    for a in range(count):
        for b in range(count):
            system[a, b] = cov[known[a], known[b]]
        right[a] = cov[known[a], place]
    weights = np.linalg.solve(system, right)[:count]
    error = cov[place, place] - 2 * weights @ right[:count] + weights @ system[:-1, :-1] @ weights
    return weights, error


def estimate_without(scores, sizes, cov, drawn, k):
    """The estimate of all weights that puts k back; `scores` by channel, those drawn are read."""
    known = [channel for channel in drawn if channel != k]
    rest = [channel for channel in range(len(sizes)) if channel not in known]
    chance = sizes[k] / sum(sizes[channel] for channel in rest)
    result = np.array([scores[channel] if channel in known else 0.0 for channel in range(len(cov))])
    for channel in rest:
        weights, _ = kriged(cov, known, channel)
        result[channel] = weights @ np.array([scores[c] for c in known])
    result[k] += (scores[k] - result[k]) / chance
    return result


def estimate(scores, sizes, masks, drawn):
    """Estimated weights, the variance of a score, and the covariance of errors in its units."""
    cov = covariance(masks)

    def weigh(values):
        return np.mean([estimate_without(values, sizes, cov, drawn, k) for k in drawn], axis=0)

    squares = []
    for k in drawn:
        known = [channel for channel in drawn if channel != k]
        weights, variance = kriged(cov, known, k)
        miss = scores[k] - weights @ np.array([scores[c] for c in known])
        squares.append(miss**2 / variance)
    unit = np.eye(len(sizes))
    errors = np.stack([weigh(one) - one for one in unit], axis=1)
    return weigh(scores), float(np.mean(squares)), errors @ cov @ errors.T


def sets(sizes, budget):
    """Every set of `budget` channels and its probability."""
    found = list(itertools.combinations(range(len(sizes)), budget))
    products = np.array([math.prod(float(sizes[k]) for k in one) for one in found])
    return found, products / products.sum()
