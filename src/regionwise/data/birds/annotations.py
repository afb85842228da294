"""The text files of CUB-200-2011: collected image by image, written at the end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regionwise.data.birds.classes import Species
from regionwise.data.birds.labels import (
    CERTAINTIES,
    class_attributes,
    image_attributes,
    image_certainties,
)
from regionwise.data.birds.rendering import Rendered
from regionwise.data.birds.scene import Scene
from regionwise.data.birds.vocabulary import PARTS, attribute_names


class Annotations:
    """Collects what is to be written about each image of a data set in ``folder``."""

    def __init__(self, folder: Path, kinds: Sequence[Species], seed: int) -> None:
        self._folder = folder
        self._kinds = kinds
        self._seed = seed
        self._names: list[str] = []
        self._scenes: list[Scene] = []
        self._boxes: list[str] = []
        self._locations: list[NDArray[np.float64]] = []

    def add(self, name: str, scene: Scene, drawn: Rendered) -> None:
        """Take note of the next image; ids count from 1 in the order of the calls."""
        self._names.append(name)
        self._scenes.append(scene)
        self._boxes.append(_box(drawn.part_mask))
        self._locations.append(drawn.part_locations)

    def write(self, *, grouped: bool) -> None:
        """Write all files, ``groups.txt`` only if ``grouped``."""
        labels = [scene.label for scene in self._scenes]
        self._lines("images.txt", _numbered(self._names))
        self._lines("classes.txt", _numbered(kind.folder for kind in self._kinds))
        self._lines("image_class_labels.txt", _numbered(label + 1 for label in labels))
        self._lines("bounding_boxes.txt", _numbered(self._boxes))
        self._lines("train_test_split.txt", _numbered(self._split(labels)))
        if grouped:
            self._lines("groups.txt", _numbered(scene.group for scene in self._scenes))
        self._write_parts()
        self._write_attributes(np.array(labels))

    def _lines(self, name: str, lines: Iterable[str]) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")

    def _generator(self, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, 5, *key])))

    def _split(self, labels: Sequence[int]) -> list[int]:
        """Return 1 (train) for half of each class, chosen by the seed, 0 (test) for the rest."""
        train = np.zeros(len(labels), dtype=np.int64)
        for label in sorted(set(labels)):
            own = np.flatnonzero(np.array(labels) == label)
            chosen = self._generator(1, label).permutation(len(own))[: -(-len(own) // 2)]
            train[own[chosen]] = 1
        return [int(value) for value in train]

    def _write_parts(self) -> None:
        self._lines("parts/parts.txt", _numbered(PARTS))
        first = (
            f"{image} {_location(part, place)}"
            for image, places in enumerate(self._locations, start=1)
            for part, place in enumerate(places[0], start=1)
        )
        self._lines("parts/part_locs.txt", first)
        if any(len(places) > 1 for places in self._locations):
            every = (
                f"{image} {bird} {_location(part, place)}"
                for image, places in enumerate(self._locations, start=1)
                for bird, own in enumerate(places, start=1)
                for part, place in enumerate(own, start=1)
            )
            self._lines("parts/bird_part_locs.txt", every)

    def _write_attributes(self, labels: NDArray[np.int64]) -> None:
        self._lines("attributes.txt", _numbered(attribute_names()))
        self._lines("attributes/certainties.txt", _numbered(CERTAINTIES))
        present = np.zeros((len(labels), len(attribute_names())), dtype=np.bool_)
        rows = []
        for kind in self._kinds:
            own = np.flatnonzero(labels == kind.index)
            rng = self._generator(2, kind.index)
            present[own] = image_attributes(class_attributes(kind.plumage), len(own), rng)
            rows.append(" ".join(_percentage(value) for value in present[own].mean(axis=0)))
        self._lines("attributes/class_attribute_labels_continuous.txt", rows)
        lines = (line for image in range(len(labels)) for line in self._image_lines(image, present))
        self._lines("attributes/image_attribute_labels.txt", lines)

    def _image_lines(self, image: int, present: NDArray[np.bool_]) -> list[str]:
        seen = np.flatnonzero(self._locations[image][0, :, 2]) + 1
        rng = self._generator(4, self._scenes[image].label, self._scenes[image].index)
        certainty = image_certainties(set(seen.tolist()), rng)
        seconds = rng.gamma(2.0, 2.0, len(certainty))
        columns = zip(present[image].tolist(), certainty.tolist(), seconds.tolist(), strict=True)
        return [
            f"{image + 1} {attribute} {int(yes)} {sure} {time:.3f}"
            for attribute, (yes, sure, time) in enumerate(columns, start=1)
        ]


def _numbered(values: Iterable[object]) -> Iterable[str]:
    return (f"{number} {value}" for number, value in enumerate(values, start=1))


def _box(mask: NDArray[np.uint8]) -> str:
    """Return x, y, width and height of the box around all birds, in pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return "0.0 0.0 0.0 0.0"
    x, y = float(columns[0]), float(rows[0])
    return f"{x} {y} {columns[-1] - x + 1.0} {rows[-1] - y + 1.0}"


def _location(part: int, place: NDArray[np.float64]) -> str:
    x, y, visible = place.tolist()
    return f"{part} {x} {y} {int(visible)}"


def _percentage(share: float) -> str:
    return str(round(100.0 * float(share), 10))
