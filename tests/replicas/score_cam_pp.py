"""ScoreCAM++. Mitra et al. 2024, eq. 8, 9, 11 and 12.

S_k = s(U(A_k)) gates the upsampled channel and is both the mask and the term of the sum:
alpha_k = p^c(x * S_k); L = ReLU(sum_k alpha_k S_k) at the size of the image.

code       nothing is subtracted from alpha
equation   eq. 10 as printed: alpha_k = p^c(x * S_k) - p^c(x), of the whole image
mask-only  s gates the mask and the sum takes the raw upsampled channels (section 6.3, case 1)
"""

import math

import numpy as np

from replicas.common import array, forward_one, rectified, softmax, weighted_sum
from replicas.resize import upsample
from replicas.score_cam import masked


def tanh(x):
    return math.tanh(x)


def relu(x):
    return max(0.0, x)


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0.0 else math.exp(x) / (1.0 + math.exp(x))


def sig_relu(x):
    return sigmoid(relu(x))


def mish(x):
    return x * math.tanh(math.log1p(math.exp(-abs(x))) + relu(x))


def swish(x):
    return x * sigmoid(x)


ACTIVATIONS = {
    "tanh": tanh,
    "relu": relu,
    "sigmoid": sigmoid,
    "sig-relu": sig_relu,
    "mish": mish,
    "swish": swish,
}


def gated(plane, activation):
    """s(A) of one 2-D map, pixel by pixel."""
    function = ACTIVATIONS[activation]
    result = np.zeros(plane.shape)
    for i in range(plane.shape[0]):
        for j in range(plane.shape[1]):
            result[i, j] = function(float(plane[i, j]))
    return result


def score_cam_pp_of(network, trunk, images, targets, *, activation="tanh", variant="code"):
    activations = array(trunk(images))
    size = images.shape[-2:]
    maps = []
    for n in range(len(images)):
        raw = [upsample(plane, size) for plane in activations[n]]
        gates = [gated(plane, activation) for plane in raw]
        rows = []
        for target in targets[n]:
            weights = []
            for gate in gates:
                logits = forward_one(network, masked(images[n], gate))
                weight = softmax(logits)[int(target)]
                if variant == "equation":
                    weight -= softmax(forward_one(network, images[n]))[int(target)]
                weights.append(weight)
            terms = raw if variant == "mask-only" else gates
            rows.append(rectified(weighted_sum(terms, weights)))
        maps.append(np.stack(rows))
    return np.stack(maps)
