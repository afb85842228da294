"""Bilinear resizing and min-max, pixel by pixel."""

import math

import numpy as np


def source_position(pixel, cells, pixels, *, align_corners):
    """Where the centre of an output pixel lies on the input grid."""
    if align_corners:
        return pixel * (cells - 1) / (pixels - 1) if pixels > 1 else 0.0
    return max((pixel + 0.5) * cells / pixels - 0.5, 0.0)


def upsample(plane, size, *, align_corners=False):
    """One 2-D map to `size` = (height, width), bilinear, no antialiasing."""
    rows, columns = plane.shape
    height, width = size
    result = np.zeros((height, width))
    for y in range(height):
        v = source_position(y, rows, height, align_corners=align_corners)
        i0 = min(math.floor(v), rows - 1)
        i1 = min(i0 + 1, rows - 1)
        for x in range(width):
            u = source_position(x, columns, width, align_corners=align_corners)
            j0 = min(math.floor(u), columns - 1)
            j1 = min(j0 + 1, columns - 1)
            upper = plane[i0, j0] + (u - j0) * (plane[i0, j1] - plane[i0, j0])
            lower = plane[i1, j0] + (u - j0) * (plane[i1, j1] - plane[i1, j0])
            result[y, x] = upper + (v - i0) * (lower - upper)
    return result


def min_max(plane):
    """(L - min L) / (max L - min L); a constant map becomes zeros."""
    low, high = min(plane.flat), max(plane.flat)
    result = np.zeros(plane.shape)
    if high > low:
        for i in range(plane.shape[0]):
            for j in range(plane.shape[1]):
                result[i, j] = (plane[i, j] - low) / (high - low)
    return result


def max_normalised(plane):
    """max(0, L) / max L (CALM's "max"); zeros where no value is positive."""
    high = max(plane.flat)
    result = np.zeros(plane.shape)
    if high > 0:
        for i in range(plane.shape[0]):
            for j in range(plane.shape[1]):
                result[i, j] = max(plane[i, j], 0.0) / high
    return result
