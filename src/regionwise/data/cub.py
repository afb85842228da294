"""Reading CUB-200-2011, and whatever is written in its layout.

Reference: Wah, Branson, Welinder, Perona and Belongie 2011, The Caltech-UCSD Birds-200-2011
Dataset; Kim, Choe, Akata and Oh 2021, Keep CALM and Improve Visual Feature Attribution, section
4.2 (pairs of classes that differ in few parts).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from regionwise.data.birds.vocabulary import UNITED_PARTS, attribute_names, united_parts_of
from regionwise.data.cub_tables import Table, finite, read_lines
from regionwise.errors import DataError


@dataclass(frozen=True)
class CubImage:
    """One picture.

    ``label`` counts from 0, ``number`` is the image id of the files, ``name`` the path below
    ``images/``. ``bounding_box`` is x, y, width and height in pixels. ``part_locations`` is
    ``(parts, 3)``: x and y in pixels and visible (0 or 1), by part id. ``segmentation`` and
    ``part_mask`` are paths of pictures, or None where the data set has none; ``group`` is 0 without
    groups.
    """

    number: int
    name: str
    path: Path
    label: int
    is_train: bool
    bounding_box: tuple[float, ...]
    part_locations: NDArray[np.float64]
    segmentation: Path | None
    part_mask: Path | None
    group: int


@dataclass(frozen=True)
class CubData:
    """A data set in CUB's layout.

    ``images`` are in the order of their ids; ``class_names`` such as ``001.Common_Finch``;
    ``class_attributes`` is ``(classes, attributes)``, percentages 0..100 of the annotators who saw
    the attribute; ``part_names`` are in the order of their ids, which count from 1.
    """

    folder: Path
    images: tuple[CubImage, ...]
    class_names: tuple[str, ...]
    part_names: tuple[str, ...]
    attribute_names: tuple[str, ...]
    class_attributes: NDArray[np.float64]

    def split(self, *, train: bool) -> tuple[CubImage, ...]:
        """Return the images of the training split, or of the test split."""
        return tuple(image for image in self.images if image.is_train == train)


def read_cub(folder: str | Path) -> CubData:
    """Read a data set in the layout of CUB-200-2011.

    ``attributes.txt`` may lie in the folder, in its ``attributes/``, or beside the folder as in the
    original archive. Segmentations, part masks and groups are optional, but if there, complete.

    Raises:
        DataError: a file is missing, a line cannot be read, or two files contradict each other.
    """
    root = Path(folder)
    if not root.is_dir():
        message = f"{str(folder)!r} is no folder; give the one that holds images.txt"
        raise DataError(message)
    images = Table.read(root / "images.txt", 1)
    classes = Table.read(root / "classes.txt", 1)
    parts = Table.read(root / "parts" / "parts.txt", 1)
    names = _attribute_names(root)
    return CubData(
        folder=root,
        images=_images(root, images, len(classes.rows), len(parts.rows)),
        class_names=classes.names(),
        part_names=tuple(row[0] for row in parts.rows.values()),
        attribute_names=names,
        class_attributes=_class_attributes(root, len(classes.rows), len(names)),
    )


def part_differences(
    class_attributes: NDArray[np.float64],
    threshold: float = 50.0,
    names: Sequence[str] | None = None,
) -> dict[tuple[int, int], frozenset[str]]:
    """Return, for every pair of classes a < b, the united parts in which they differ.

    An attribute is present in a class if its percentage reaches ``threshold``. Two classes differ
    in a part if an attribute that speaks of the part is present in one of them only.
    ``class_attributes`` is ``(classes, attributes)`` in 0..100; ``names`` are those of the
    attributes, CUB's 312 by default.

    Raises:
        DataError: there are not as many names as columns.

    Reference: Kim et al. 2021, CALM, section 4.2; the substring rule is that of its code.
    """
    names = attribute_names() if names is None else names
    if class_attributes.ndim != 2 or class_attributes.shape[1] != len(names):
        message = (
            f"class attributes of shape {class_attributes.shape} do not fit {len(names)} names"
        )
        raise DataError(message)
    speaks = np.array([[part in united_parts_of(n) for part in UNITED_PARTS] for n in names])
    present = class_attributes >= threshold
    found: dict[tuple[int, int], frozenset[str]] = {}
    for a, b in combinations(range(len(present)), 2):
        differs = speaks[present[a] ^ present[b]].any(axis=0).tolist()
        found[a, b] = frozenset(
            part for part, yes in zip(UNITED_PARTS, differs, strict=True) if yes
        )
    return found


def _attribute_names(root: Path) -> tuple[str, ...]:
    places = (root, root / "attributes", root.absolute().parent)
    for place in places:
        if (place / "attributes.txt").is_file():
            table = Table.read(place / "attributes.txt", 1)
            return tuple(row[0] for row in table.rows.values())
    message = (
        f"'attributes.txt' is neither in {str(root)!r}, nor in its attributes/, nor beside it; "
        "copy it there from the archive"
    )
    raise DataError(message)


def _class_attributes(root: Path, classes: int, attributes: int) -> NDArray[np.float64]:
    path = root / "attributes" / "class_attribute_labels_continuous.txt"
    rows = [line.split() for _, line in read_lines(path)]
    if len(rows) != classes:
        message = f"{str(path)!r} has {len(rows)} lines for {classes} classes in classes.txt"
        raise DataError(message)
    for number, row in enumerate(rows, start=1):
        if len(row) != attributes:
            message = (
                f"{str(path)!r}, line {number}, has {len(row)} values "
                f"for {attributes} attributes in attributes.txt"
            )
            raise DataError(message)
    try:
        found = np.array([[finite(text) for text in row] for row in rows])
    except ValueError as error:
        message = f"{str(path)!r} holds something that is no number: {error}"
        raise DataError(message) from error
    if found.min() < 0 or found.max() > 100:
        raise DataError(
            f"{str(path)!r} holds {found.min():g} to {found.max():g}; percentages are 0 to 100"
        )
    return found


def _images(root: Path, images: Table, classes: int, parts: int) -> tuple[CubImage, ...]:
    labels = Table.read(root / "image_class_labels.txt", 1, like=images).integers(1, classes)
    trains = Table.read(root / "train_test_split.txt", 1, like=images).integers(0, 1)
    images.names()  # each once
    boxes = _boxes(root / "bounding_boxes.txt", images)
    locations = _locations(root / "parts" / "part_locs.txt", images, parts)
    groups = _groups(root, images)
    return tuple(
        CubImage(
            number=number,
            name=name,
            path=_picture(root, "images", name),
            label=labels[number] - 1,
            is_train=trains[number] == 1,
            bounding_box=boxes[number],
            part_locations=locations[number],
            segmentation=_mask(root, "segmentations", name),
            part_mask=_mask(root, "part_masks", name),
            group=groups[number],
        )
        for number, (name,) in images.rows.items()
    )


def _boxes(path: Path, images: Table) -> dict[int, tuple[float, ...]]:
    found = Table.read(path, 4, like=images).numbers()
    for number, (x, y, width, height) in found.items():
        if min(width, height) <= 0:
            raise DataError(
                f"{str(path)!r}, number {number}: a box of {width:g} x {height:g} at {x:g}, {y:g}"
                " has no pixel"
            )
    return found


def _groups(root: Path, images: Table) -> dict[int, int]:
    if not (root / "groups.txt").exists():
        return dict.fromkeys(images.rows, 0)
    return Table.read(root / "groups.txt", 1, like=images).integers(0, None)


def _picture(root: Path, kind: str, name: str) -> Path:
    path = root / kind / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"{str(root / 'images.txt')!r} names {name!r}, outside of the data set")
    if not path.is_file():
        message = f"{str(path)!r} is missing, though images.txt names it; copy it from the archive"
        raise DataError(message)
    return path


def _mask(root: Path, kind: str, name: str) -> Path | None:
    if not (root / kind).is_dir():
        return None
    return _picture(root, kind, str(Path(name).with_suffix(".png")))


def _locations(path: Path, images: Table, parts: int) -> dict[int, NDArray[np.float64]]:
    """Return ``(parts, 3)`` for every image: x, y and visible."""
    expected = {(image, part) for image in images.rows for part in range(1, parts + 1)}
    found = {image: np.zeros((parts, 3)) for image in images.rows}
    for number, line in read_lines(path):
        try:
            image, part, *place = line.split()
            key, values = (int(image), int(part)), [finite(value) for value in place]
        except ValueError as error:
            message = f"{str(path)!r}, line {number}, is not 'image part x y visible': {line!r}"
            raise DataError(message) from error
        if key not in expected or len(values) != 3 or values[2] not in {0, 1}:
            message = (
                f"{str(path)!r}, line {number}, repeats or does not fit an image and part: {line!r}"
            )
            raise DataError(message)
        expected.remove(key)
        found[key[0]][key[1] - 1] = values
    if expected:
        image_number, part_number = min(expected)
        message = f"{str(path)!r} lacks part {part_number} of image {image_number}; add the line"
        raise DataError(message)
    return found
