"""Outlines of a binary picture by following borders, without OpenCV.

A picture of zeros and ones has one outer border for every 8-connected component of ones, and one
hole border for every 4-connected component of zeros that ones enclose. Borders are chains of
*ones*; the border of a hole is made of the ones around it.

Reference: Suzuki and Abe 1985, Topological structural analysis of digitized binary images by
border following, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FRAME = 1  # the number of the picture's frame, the parent of whatever lies in nothing


@dataclass(frozen=True, eq=False)
class Contour:
    """A border: its points in the order in which they are followed, (points, 2) as x and y."""

    points: NDArray[np.int64]
    is_hole: bool

    @property
    def area(self) -> float:
        """The area of the polygon through the centres of the points (shoelace formula)."""
        x, y = self.points[:, 0], self.points[:, 1]
        return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2

    @property
    def box(self) -> tuple[int, int, int, int]:
        """The smallest box around the points, half-open: x0, y0, x1, y1."""
        (x0, y0), (x1, y1) = self.points.min(axis=0), self.points.max(axis=0)
        return int(x0), int(y0), int(x1) + 1, int(y1) + 1


def contours_of(mask: NDArray[np.bool_]) -> list[Contour]:
    """Return all borders of a mask (rows, columns), each followed by those that it encloses.

    Among borders with the same parent, the one that a scan by rows meets last comes first: the
    order of OpenCV's ``RETR_TREE``, which decides where the largest of several equals is taken.

    Reference: Suzuki and Abe 1985, algorithm 1.
    """
    columns = mask.shape[1] + 2
    cells: list[int] = np.pad(mask.astype(np.int64), 1).reshape(-1).tolist()
    chains: dict[int, list[int]] = {}
    holes: dict[int, bool] = {_FRAME: True}
    parents: dict[int, int] = {_FRAME: _FRAME}
    for place, is_hole, first in _starts(mask, cells):
        number = len(holes) + 1
        surrounding = _last_border(cells, place, columns, on_place=is_hole)
        own = holes[surrounding] == is_hole
        parents[number] = parents[surrounding] if own else surrounding
        holes[number] = is_hole
        chains[number] = _follow(cells, place, first, (columns, number))
    return [_contour(chains[n], holes[n], columns) for n in _in_order(parents)]


def _starts(mask: NDArray[np.bool_], cells: list[int]) -> Iterator[tuple[int, bool, int]]:
    """Yield where a border begins, whether it is a hole's, and the direction of the zero there."""
    inside = np.pad(mask, 1)
    left = inside & ~np.roll(inside, 1, axis=1)
    right = inside & ~np.roll(inside, -1, axis=1)
    for place in np.flatnonzero(left | right).tolist():
        if cells[place] == 1 and cells[place - 1] == 0:
            yield place, False, 4
        elif cells[place] >= 1 and cells[place + 1] == 0:
            yield place, True, 0


def _last_border(cells: list[int], place: int, columns: int, *, on_place: bool) -> int:
    """Return the number of the border met last on this row, the frame's if none was."""
    if on_place and cells[place] > 1:
        return cells[place]
    for before in range(place - 1, place - place % columns, -1):
        if cells[before] not in (0, 1):
            return abs(cells[before])
    return _FRAME


def _follow(cells: list[int], start: int, first: int, named: tuple[int, int]) -> list[int]:
    """Follow the border from ``start``, write its number into the cells, and return its chain.

    Directions count clockwise from the right: right, lower right, down, ... upper right.
    """
    columns, number = named
    steps = (1, columns + 1, columns, columns - 1, -1, -columns - 1, -columns, -columns + 1)
    came = next((d for k in range(1, 8) if cells[start + steps[d := (first + k) % 8]]), None)
    if came is None:
        cells[start] = -number
        return [start]
    last, here, chain = start + steps[came], start, []
    while True:
        direction, right_is_zero = (came - 1) % 8, False
        while not cells[here + steps[direction]]:
            right_is_zero |= direction == 0
            direction = (direction - 1) % 8
        if right_is_zero:
            cells[here] = -number
        elif cells[here] == 1:
            cells[here] = number
        chain.append(here)
        if here == last and here + steps[direction] == start:
            return chain
        here, came = here + steps[direction], (direction + 4) % 8


def _in_order(parents: dict[int, int]) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for number, parent in parents.items():
        if number != _FRAME:
            children.setdefault(parent, []).append(number)
    waiting = list(children.get(_FRAME, ()))
    while waiting:
        number = waiting.pop()
        yield number
        waiting.extend(children.get(number, ()))


def _contour(chain: list[int], is_hole: bool, columns: int) -> Contour:  # noqa: FBT001
    places = np.array(chain, dtype=np.int64)
    return Contour(np.stack((places % columns - 1, places // columns - 1), axis=1), is_hole)
