"""Gaussian blur, pixel by pixel, mirrored at the border without repeating the border pixel."""

import math

import numpy as np


def mirrored(place, size):
    """Walk back and forth until inside."""
    if size == 1:
        return 0
    while not 0 <= place < size:
        place = -place if place < 0 else 2 * (size - 1) - place
    return place


def gaussian_blur(plane, width, sigma):
    rows, columns = plane.shape
    half = width // 2
    offsets = range(-half, half + 1)
    weights = {o: math.exp(-(o**2) / (2 * sigma**2)) for o in offsets}
    total = sum(weights.values()) ** 2
    result = np.zeros((rows, columns))
    for y in range(rows):
        for x in range(columns):
            result[y, x] = sum(
                weights[a] * weights[b] * plane[mirrored(y + a, rows), mirrored(x + b, columns)]
                for a in offsets
                for b in offsets
            )
    return result / total
