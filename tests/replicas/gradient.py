"""Input gradient. Simonyan et al. 2014, section 3: M(h, w) = max_c |dy/dx(c, h, w)|."""

import numpy as np
import torch

from replicas.common import array


def reduced(gradients, *, reduce="max-abs"):
    """Input gradients (n, t, c, h, w) to maps (n, t, h, w)."""
    gradients = array(gradients)
    images, targets, colours, height, width = gradients.shape
    maps = np.zeros((images, targets, height, width))
    for n in range(images):
        for t in range(targets):
            for y in range(height):
                for x in range(width):
                    values = [gradients[n, t, c, y, x] for c in range(colours)]
                    if reduce == "max-abs":
                        maps[n, t, y, x] = max(abs(value) for value in values)
                    elif reduce == "sum-abs":
                        maps[n, t, y, x] = sum(abs(value) for value in values)
                    else:
                        maps[n, t, y, x] = sum(values)
    return maps


def input_gradients(network, images, targets):
    result = []
    for n in range(len(images)):
        rows = []
        for target in targets[n]:
            leaf = images[n : n + 1].detach().clone().requires_grad_(True)
            (gradient,) = torch.autograd.grad(network(leaf)[0, int(target)], leaf)
            rows.append(array(gradient[0]))
        result.append(np.stack(rows))
    return np.stack(result)


def gradient_of(network, images, targets, *, reduce="max-abs"):
    return reduced(input_gradients(network, images, targets), reduce=reduce)
