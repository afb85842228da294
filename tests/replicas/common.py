"""What several replicas share: turning input into float64 arrays, softmax, gradients, resizing."""

import math
from collections.abc import Callable

import numpy as np
import torch

Network = Callable[[torch.Tensor], torch.Tensor]


def array(values):
    """Float64 numpy copy of a tensor or array."""
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    return np.array(values, dtype=np.float64)


def relu(value):
    return max(0.0, value)


def softmax(values):
    """Softmax of a plain list of numbers."""
    top = max(values)
    exponentials = [math.exp(value - top) for value in values]
    total = sum(exponentials)
    return [value / total for value in exponentials]


def weighted_sum(channels, weights):
    """sum_k w_k A_k over a list of 2-D arrays, cell by cell."""
    rows, columns = channels[0].shape
    total = np.zeros((rows, columns))
    for channel, weight in zip(channels, weights, strict=True):
        for i in range(rows):
            for j in range(columns):
                total[i, j] += weight * channel[i, j]
    return total


def rectified(plane):
    """ReLU of a 2-D array, cell by cell."""
    rows, columns = plane.shape
    result = np.zeros((rows, columns))
    for i in range(rows):
        for j in range(columns):
            result[i, j] = relu(plane[i, j])
    return result


def per_image_and_target(activations, gradients, one):
    """Stack `one(A of one image, g of one image and one target)` over images and targets."""
    activations, gradients = array(activations), array(gradients)
    return np.stack(
        [
            np.stack(
                [
                    one(activations[image], gradients[image, target])
                    for target in range(gradients.shape[1])
                ]
            )
            for image in range(activations.shape[0])
        ]
    )


def gradients_at(tail: Network, activations, targets):
    """dy^c/dA, one image and one target at a time: array of shape (n, t, k, i, j)."""
    result = []
    for image in range(len(activations)):
        rows = []
        for target in targets[image]:
            leaf = activations[image : image + 1].detach().clone().requires_grad_(True)
            score = tail(leaf.clone())[0, int(target)]
            (gradient,) = torch.autograd.grad(score, leaf)
            rows.append(array(gradient[0]))
        result.append(np.stack(rows))
    return np.stack(result)


def forward_one(network: Network, image):
    """Logits of one image, as a list of numbers."""
    with torch.no_grad():
        return array(network(image[None].clone())[0]).tolist()
