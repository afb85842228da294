"""The 8-connected components of a map above each of many thresholds, found in one pass.

Pixels are added from the brightest to the darkest and united with their neighbours; after each
threshold the components that exist are reported. Cost does not grow with the thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.int64]


class _Forest:
    """Pixels in components: the root of each, and the root's count and bounds."""

    def __init__(self, rows: int, columns: int) -> None:
        self.wide = columns + 2
        self.parent = [-1] * ((rows + 2) * self.wide)
        # by root: pixels, left, top, right, bottom (all inclusive)
        self.found: dict[int, list[int]] = {}

    def root(self, place: int) -> int:
        parent = self.parent
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    def add(self, row: int, column: int) -> None:
        here = (row + 1) * self.wide + column + 1
        self.parent[here] = here
        self.found[here] = [1, column, row, column, row]
        w = self.wide
        for other in (-w - 1, -w, -w + 1, -1, 1, w - 1, w, w + 1):
            if self.parent[here + other] >= 0:
                self._unite(self.root(here), self.root(here + other))

    def _unite(self, a: int, b: int) -> None:
        if a == b:
            return
        if self.found[a][0] < self.found[b][0]:
            a, b = b, a
        self.parent[b] = a
        one, two = self.found[a], self.found.pop(b)
        self.found[a] = [
            one[0] + two[0],
            min(one[1], two[1]),
            min(one[2], two[2]),
            max(one[3], two[3]),
            max(one[4], two[4]),
        ]

    def boxes(self) -> tuple[Boxes, NDArray[np.int64]]:
        """Return half-open boxes x0 y0 x1 y1 (m, 4) and pixel counts (m), by rows and columns."""
        table = np.array(list(self.found.values()), dtype=np.int64).reshape(-1, 5)
        table = table[np.lexsort((table[:, 1], table[:, 2]))]
        return table[:, 1:] + np.array([0, 0, 1, 1]), table[:, 0]


def components_above(
    saliency: NDArray[np.floating], thresholds: Sequence[float] | NDArray[np.float64]
) -> Iterator[tuple[float, Boxes, NDArray[np.int64]]]:
    """Yield, from the highest threshold down, the components of the pixels above it.

    Each is the threshold, half-open boxes x0 y0 x1 y1 (m, 4), and pixel counts (m). Above is
    strict: s > threshold. Pixels touch at sides and corners.
    """
    rows, columns = saliency.shape
    flat = saliency.reshape(-1)
    order = np.argsort(-flat, kind="stable")
    bright = flat[order]
    forest, done = _Forest(rows, columns), 0
    for threshold in sorted(map(float, thresholds), reverse=True):
        until = int(np.count_nonzero(bright > threshold))
        for place in order[done:until].tolist():
            forest.add(place // columns, place % columns)
        done = max(done, until)
        yield (threshold, *forest.boxes())
