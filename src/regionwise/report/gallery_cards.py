"""From a picture explained again to a card of the gallery, its pictures encoded already."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from regionwise.attribution.result import Attribution
from regionwise.attribution.showing import cells_of, picture_of
from regionwise.benchmark.cases import Shown, Why
from regionwise.benchmark.explained import Explained
from regionwise.errors import InputError
from regionwise.pictures.cell import percent, readable
from regionwise.report.thumbnails import address_of


@dataclass(frozen=True)
class MapCell:
    """One map: the method, the picture as an address, or a note on why there is none."""

    method: str
    address: str = ""
    note: str = ""


@dataclass(frozen=True)
class CardRow:
    """The maps of one class, and in what way it was chosen: predicted, label, or neither."""

    name: str
    chance: str
    kinds: tuple[str, ...]
    cells: tuple[MapCell, ...]


@dataclass(frozen=True)
class Card:
    """A picture of the gallery: what it shows, what was predicted, and the maps of two classes.

    ``wrong`` is false where the network has other classes than the data.
    """

    image: str
    why: Why
    label: str
    predicted: str
    wrong: bool
    address: str
    rows: tuple[CardRow, ...]


def card_of(explained: Explained, shown: Shown, label: str, side: int) -> Card:
    """Return the card of a picture; ``label`` is the name of its true class.

    Raises:
        InputError: no method could explain it.
    """
    if not explained.attributions:
        reasons = "; ".join(f"{name}: {why}" for name, why in explained.failed.items())
        raise InputError(f"no method can explain {explained.image!r} again ({reasons})")
    two = max(explained.attributions.values(), key=lambda one: len(one.target_names[0]))
    pixels = seen(two)
    name, chance = two.top[0]
    return Card(
        image=explained.image,
        why=shown.why,
        label=plain(label),
        predicted=plain(name) + (f" ({percent(chance)})" if math.isfinite(chance) else ""),
        wrong=explained.label is not None and explained.label != explained.classes[0],
        address=address_of(pixels, side),
        rows=tuple(
            CardRow(
                plain(name),
                percent(chance) if math.isfinite(chance) else "",
                _kinds(explained, place),
                _cells(explained, place, pixels, side),
            )
            for place, (name, chance) in enumerate(
                zip(two.target_names[0], two.probabilities[0].tolist(), strict=True)
            )
        ),
    )


def plain(name: str) -> str:
    """Return a class name for reading, without CUB's number."""
    return readable(re.sub(r"^\d+\.", "", name))


def seen(one: Attribution) -> UInt8[np.ndarray, "h w 3"]:
    """Return the picture as the model saw it."""
    if one.images is None:
        return np.full((*one.size, 3), 255, np.uint8)
    return picture_of(one.images[0].expand(3, -1, -1))


def _kinds(explained: Explained, place: int) -> tuple[str, ...]:
    predicted = ("predicted",) if place == 0 else ()
    return (*predicted, "label") if explained.classes[place] == explained.label else predicted


def _cells(
    explained: Explained, place: int, pixels: UInt8[np.ndarray, "h w 3"], side: int
) -> tuple[MapCell, ...]:
    found = explained.attributions.items()
    cells = [_cell(method, one, place, pixels, side) for method, one in found]
    return (*cells, *(MapCell(method, note=why) for method, why in explained.failed.items()))


def _cell(
    method: str, one: Attribution, place: int, pixels: UInt8[np.ndarray, "h w 3"], side: int
) -> MapCell:
    if place >= len(one.target_names[0]):
        return MapCell(method, note="there is no map of this class")
    cell = cells_of(one, 0, pixels)[place]
    if cell.picture is None:
        return MapCell(method, note=cell.note)
    return MapCell(method, address_of(cell.picture, side))


def never(failures: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the methods that failed on every picture, and the first reason."""
    shared = set.intersection(*(set(one) for one in failures)) if failures else set()
    return {name: why for name, why in failures[0].items() if name in shared} if shared else {}
