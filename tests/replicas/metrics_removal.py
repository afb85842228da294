"""Metrics that remove pixels, one pixel at a time.

Insertion and deletion: Petsiuk et al. 2018, Sec. 4.2.
Remove and classify: Kim et al. 2021, Sec. 4.3.
Linear imputation and ROAD: Rong et al. 2022, Sec. 4.2.
"""

import numpy as np
import torch

from replicas.common import array, forward_one
from replicas.metrics_confidence import score_of


def descending(plane):
    """Pixels, the most salient first; of equal ones the first in reading order."""
    plane = array(plane)
    rows, columns = plane.shape
    places = [(y, x) for y in range(rows) for x in range(columns)]
    return sorted(places, key=lambda place: (-plane[place], place))


def with_pixels_of(image, other, places):
    image, other = array(image), array(other)
    for y, x in places:
        image[:, y, x] = other[:, y, x]
    return torch.from_numpy(image)


def curve(network, image, instead, order, counts, *, target, score, insert=False):
    """The score after each number of pixels was removed (or came)."""
    start, end = (instead, image) if insert else (image, instead)
    return [
        score_of(network, with_pixels_of(start, end, order[:count]), target, score)
        for count in counts
    ]


def trapezoid(values, levels):
    return sum(
        (levels[k + 1] - levels[k]) * (values[k] + values[k + 1]) / 2
        for k in range(len(values) - 1)
    )


def hits(network, image, instead, order, shares, label):
    """Whether the label is still the answer when the first pixels of an order are erased."""
    result = []
    for share in shares:
        count = int(share * len(order))
        logits = forward_one(network, with_pixels_of(image, instead, order[:count]))
        result.append(float(logits.index(max(logits)) == label))
    return result


def linear_imputation(image, removed):
    """Every removed pixel is the mean of its neighbours in the image: a dense system."""
    image, removed = array(image), array(removed) > 0.5
    colours, rows, columns = image.shape
    unknown = [(y, x) for y in range(rows) for x in range(columns) if removed[y, x]]
    number = {place: k for k, place in enumerate(unknown)}
    system = np.zeros((len(unknown), len(unknown)))
    right = np.zeros((len(unknown), colours))
    for (y, x), k in number.items():
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                v, u = y + dy, x + dx
                if (dy, dx) == (0, 0) or not (0 <= v < rows and 0 <= u < columns):
                    continue
                weight = 1 / 6 if 0 in (dy, dx) else 1 / 12
                system[k, k] += weight
                if removed[v, u]:
                    system[k, number[v, u]] -= weight
                else:
                    right[k] += weight * image[:, v, u]
    for place, values in zip(unknown, np.linalg.solve(system, right), strict=True):
        image[:, place[0], place[1]] = values
    return image


def road(network, image, plane, shares, target, score):
    """Mean over shares of (LeRF - MoRF) / 2, without noise."""
    order = descending(plane)
    least_first = descending(-array(plane))
    gaps = []
    for share in shares:
        scores = []
        for places in (least_first, order):
            mask = np.zeros(array(plane).shape)
            for place in places[: int(share * len(places))]:
                mask[place] = 1
            filled = torch.from_numpy(linear_imputation(image, mask))
            scores.append(score_of(network, filled, target, score))
        gaps.append((scores[0] - scores[1]) / 2)
    return sum(gaps) / len(gaps)
