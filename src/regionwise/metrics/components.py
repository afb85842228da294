"""The 8-connected components of a map above each of many thresholds, found in one pass.

Pixels are added from the brightest to the darkest and united with their neighbours; after each
threshold the components that exist are reported. Cost hardly grows with the thresholds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.int64]

Component: TypeAlias = tuple[float, Boxes, NDArray[np.int64]]
"""Those above one threshold: the threshold, half-open boxes x0 y0 x1 y1 (m, 4), pixels (m)."""


@dataclass
class _Forest:
    """Pixels of a padded picture, ``wide`` columns, in components.

    ``parent`` leads from a pixel to its root and is -1 where none was added; ``found`` has, by
    root, the number of pixels and the first and last column and row.
    """

    wide: int
    parent: list[int]
    found: dict[int, list[int]] = field(default_factory=dict)

    def add(self, places: list[int]) -> None:
        """Add pixels and unite them with those that touch them."""
        parent, found, w = self.parent, self.found, self.wide
        for here in places:
            row, column = divmod(here, w)
            parent[here] = root = here
            found[here] = [1, column - 1, row - 1, column, row]
            for step in (-w - 1, -w, -w + 1, -1, 1, w - 1, w, w + 1):
                other = here + step
                if parent[other] < 0:
                    continue
                while parent[other] != other:
                    parent[other] = other = parent[parent[other]]
                if other == root:
                    continue
                if found[root][0] < found[other][0]:
                    root, other = other, root
                parent[other] = root
                a, b = found[root], found.pop(other)
                low, high = map(min, a[1:3], b[1:3]), map(max, a[3:], b[3:])
                found[root] = [a[0] + b[0], *low, *high]

    def boxes(self) -> tuple[Boxes, NDArray[np.int64]]:
        """Return half-open boxes x0 y0 x1 y1 (m, 4) and pixel counts (m), by rows and columns."""
        table = np.array(list(self.found.values()), dtype=np.int64).reshape(-1, 5)
        table = table[np.lexsort((table[:, 1], table[:, 2]))]
        return table[:, 1:], table[:, 0]


def components_above(
    saliency: NDArray[np.floating], thresholds: Sequence[float] | NDArray[np.float64]
) -> Iterator[Component]:
    """Yield, from the highest threshold down, the components of the pixels above it.

    Above is strict: s > threshold. Pixels touch at sides and corners.
    """
    rows, columns = saliency.shape
    flat = saliency.reshape(-1)
    order = np.argsort(-flat, kind="stable")
    bright = flat[order]
    places = (order // columns + 1) * (columns + 2) + order % columns + 1
    forest, done = _Forest(columns + 2, [-1] * ((rows + 2) * (columns + 2))), 0
    for threshold in sorted(map(float, thresholds), reverse=True):
        until = int(np.count_nonzero(bright > threshold))
        forest.add(places[done:until].tolist())
        done = max(done, until)
        yield (threshold, *forest.boxes())
