"""Turned and shifted copies, and the fine map behind their coarse maps, pixel by pixel.

Morbidelli et al. 2020: min_h sum_l |D A_l h - g_l|^2 + L 0.002 TV(h) + L 0.0001 |h|^2, where A_l
turns and shifts, D averages over cells, TV has sqrt(d^2 + 1e-6) for |d|; by Adam from zero.
"""

import math

import numpy as np

from replicas.common import array


def where_from(y, x, size, angle, shift, *, back=False):
    """The place that pixel (y, x) of the result is read at."""
    middle = ((size[0] - 1) / 2, (size[1] - 1) / 2)
    v, u = y - middle[0], x - middle[1]
    if not back:
        v, u = v - shift[0], u - shift[1]
        angle = -angle
    # clockwise on the screen: right goes down, down goes left
    v, u = math.cos(angle) * v + math.sin(angle) * u, math.cos(angle) * u - math.sin(angle) * v
    if back:
        v, u = v + shift[0], u + shift[1]
    return v + middle[0], u + middle[1]


def taps(place, size):
    """Pixels around a place and their bilinear weights; none outside."""
    top, left = math.floor(place[0]), math.floor(place[1])
    down, right = place[0] - top, place[1] - left
    for y, wy in ((top, 1 - down), (top + 1, down)):
        for x, wx in ((left, 1 - right), (left + 1, right)):
            if 0 <= y < size[0] and 0 <= x < size[1]:
                yield y, x, wy * wx


def warped(plane, angle, shift, *, back=False):
    size = plane.shape
    result = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            place = where_from(y, x, size, angle, shift, back=back)
            result[y, x] = sum(w * plane[i, j] for i, j, w in taps(place, size))
    return result


def view_matrix(size, cells, angle, shift):
    """D A_l as a matrix: cells x pixels; `size` is a multiple of `cells`."""
    matrix = np.zeros((cells[0] * cells[1], size[0] * size[1]))
    tall, wide = size[0] // cells[0], size[1] // cells[1]
    for y in range(size[0]):
        for x in range(size[1]):
            cell = (y // tall) * cells[1] + x // wide
            for i, j, w in taps(where_from(y, x, size, angle, shift), size):
                matrix[cell, i * size[1] + j] += w / (tall * wide)
    return matrix


def slope_of_misfit(h, views, coarse):
    size = h.shape
    total = np.zeros(h.size)
    for matrix, g in zip(views, coarse, strict=True):
        total += 2 * matrix.T @ (matrix @ h.ravel() - array(g).ravel())
    total = total.reshape(size) + len(views) * 0.0001 * 2 * h
    variation = np.zeros(size)
    for y in range(size[0]):
        for x in range(size[1]):
            for i, j in ((y + 1, x), (y, x + 1)):
                if i < size[0] and j < size[1]:
                    step = h[i, j] - h[y, x]
                    sign = step / math.sqrt(step**2 + 1e-6)
                    variation[i, j] += sign
                    variation[y, x] -= sign
    return total + len(views) * 0.002 * variation


def super_resolved(views, coarse, size, steps, rate=0.001):
    coarse = [array(g) / (array(g).max() or 1) for g in coarse]
    h, m, v = (np.zeros(size) for _ in range(3))
    for step in range(1, steps + 1):
        g = slope_of_misfit(h, views, coarse)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        h = h - rate * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return h
