"""The pictures of a benchmark, what is known of them, and which of them are taken."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from regionwise.data.birds.files import read_scenes
from regionwise.data.birds.scene import Scene
from regionwise.data.cub import CubData, CubImage, read_cub
from regionwise.data.images import find_images
from regionwise.data.labelled import archived, objects_by_class
from regionwise.data.sources import Source
from regionwise.errors import DataError, nearest
from regionwise.uris import local_path, shown

KINDS: Final = ("birds", "cub", "folder", "parquet", "webdataset")
"""What may stand in front of the colon: rendered birds, CUB-200-2011, a folder for each class,
Parquet files with a column of images, tar shards."""

_SPLITS: Final = ("val", "test")
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture and what is known of it; paths, or ``None`` where there is nothing.

    ``box`` is left, top, right, bottom in pixels, half-open; ``locations`` are x, y and visible by
    CUB's part ids.
    """

    name: str
    path: Source
    label: int
    box: tuple[float, float, float, float] | None = None
    segmentation: Path | None = None
    part_mask: Path | None = None
    instances: Path | None = None
    locations: NDArray[np.float64] | None = None
    segments: Path | None = None


@dataclass(frozen=True, eq=False)
class BenchmarkData:
    """The pictures of one split.

    Attributes:
        source: what was read, such as ``birds:data``.
        split: which part of it, such as ``test``.
        class_names: in the order of the labels.
        pictures: in the order of the files.
        scenes: of rendered birds, by the picture's name.
        class_attributes: (classes, 312) in 0..100, where there are any.
        segments: the folder of the segments that the user brought, if any; and their names.
    """

    source: str
    split: str
    class_names: tuple[str, ...]
    pictures: tuple[Picture, ...]
    scenes: Mapping[str, Scene] = field(default_factory=dict)
    class_attributes: NDArray[np.float64] | None = None
    segments: str = ""
    segment_names: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What stands in front of the colon of the source."""
        return self.source.partition(":")[0]

    def picture(self, name: str) -> Picture:
        """Return a picture by name."""
        return self._by_name[name]

    def knows(self) -> frozenset[str]:
        """Return which parts of a case's truth all pictures have."""
        some = {
            "boxes": all(p.box is not None for p in self.pictures),
            "regions": all(p.segmentation is not None for p in self.pictures),
            "parts": all(p.part_mask is not None for p in self.pictures),
            "edited": all(p.name in self.scenes for p in self.pictures),
            "segments": any(p.segments is not None for p in self.pictures),
        }
        return frozenset(name for name, known in some.items() if known)

    def fingerprint(self) -> str:
        """Return a SHA-256 over class names, names, labels and sizes of all files, and segments."""
        digest = hashlib.sha256("\n".join((self.split, *self.class_names)).encode())
        for one in self.pictures:
            sizes = [_stamp(p) for p in (one.path, one.segmentation, one.part_mask) if p]
            digest.update(f"\n{one.name} {one.label} {sizes} {one.box}".encode())
        for one in self.pictures if self.segments else ():
            content = one.segments.read_bytes() if one.segments else b""
            digest.update(hashlib.sha256(content).digest())
        digest.update("\n".join(self.segment_names).encode())
        return digest.hexdigest()

    @cached_property
    def _by_name(self) -> Mapping[str, Picture]:
        return {picture.name: picture for picture in self.pictures}


def read_benchmark_data(source: str) -> BenchmarkData:
    """Read ``birds:DIR``, ``cub:DIR`` (their test split), ``folder:DIR``, or archives.

    A folder has one sub-folder for each class, or ``val/`` or ``test/`` with those; ImageNet's
    validation folder is one. Labels count the sub-folders in alphabetical order. It may lie behind
    a URI. ``parquet:FILES`` and ``webdataset:SHARDS`` are archives with labels, here or there.

    Raises:
        DataError: an unknown kind, or a folder that is incomplete.
    """
    kind, colon, place = source.partition(":")
    if not colon or kind not in KINDS or not place:
        raise DataError(
            f"{shown(source)!r} names no data; write birds:DIR, cub:DIR, folder:DIR, parquet:FILES"
            " or webdataset:SHARDS"
            + (f" ({nearest(kind, KINDS)})" if colon and kind not in KINDS else "")
        )
    root = local_path(place)
    if kind in {"parquet", "webdataset"} or root is None:
        found = _of_stored(kind, place)
    else:
        found = _of_folder(root, source) if kind == "folder" else _of_cub(root, source)
    for name in (*found.class_names, *(picture.name for picture in found.pictures)):
        if any("\ud800" <= sign <= "\udfff" for sign in name):
            raise DataError(f"the name {name!r} in {shown(source)!r} is no UTF-8; rename it")
    return found


def in_order(items: Sequence[T], names: Sequence[str], seed: int) -> list[T]:
    """Return items in a random order that depends on the seed and their own names only.

    The first 64 are among the first 200, and an item that is added displaces no other's place.
    """
    keys = [hashlib.sha256(f"{seed} {name}".encode()).digest() for name in names]
    return [
        item for _, _, item in sorted(zip(keys, names, items, strict=True), key=lambda k: k[:2])
    ]


def classes_for(data: Sequence[str], model: Sequence[str] | None, outputs: int) -> list[int] | None:
    """Return the model's class for each class of the data; ``None`` if they are others.

    Names are compared without CUB's numbers and letter case. If the model does not know its names,
    or all names differ, as many classes are taken to be the same in the same order.
    """
    if model is not None:
        places = {_plain(name): index for index, name in enumerate(model)}
        found = [places.get(_plain(name), -1) for name in data]
        if min(found) >= 0:
            return found
        if max(found) >= 0:
            return None
    return list(range(outputs)) if len(data) == outputs else None


def _stamp(path: Source) -> int | str:
    return path.stat().st_size if isinstance(path, Path) else path.stamp


def _of_stored(kind: str, place: str) -> BenchmarkData:
    if kind not in {"folder", "parquet", "webdataset"}:
        raise DataError(f"{kind} must lie on this machine, not at {shown(place)!r}; copy it first")
    found = objects_by_class(place) if kind == "folder" else archived(place)
    pictures = tuple(Picture(one.image.key, one.image, one.label) for one in found.images)
    return BenchmarkData(f"{kind}:{shown(place)}", "all", found.class_names, pictures)


def _plain(name: str) -> str:
    return re.sub(r"^\d+\.", "", name).lower().replace(" ", "_")


def _of_cub(root: Path, source: str) -> BenchmarkData:
    data = read_cub(root)
    images = data.split(train=False)
    if not images:
        raise DataError(f"{source!r} has no test images: train_test_split.txt says 1 of them all")
    birds = source.startswith("birds:")
    wanted = {image.name for image in images}
    scenes = dict(read_scenes(root)) if birds and (root / "scenes.jsonl").is_file() else {}
    return BenchmarkData(
        source,
        "test",
        data.class_names,
        tuple(_cub_picture(data, image) for image in images),
        {name: scene for name, scene in scenes.items() if name in wanted},
        data.class_attributes,
    )


def _cub_picture(data: CubData, image: CubImage) -> Picture:
    x, y, width, height = image.bounding_box
    instances = (data.folder / "instances" / image.name).with_suffix(".png")
    return Picture(
        image.name,
        image.path,
        image.label,
        (x, y, x + width, y + height),
        image.segmentation,
        image.part_mask,
        instances if instances.is_file() else None,
        image.part_locations,
    )


def _of_folder(root: Path, source: str) -> BenchmarkData:
    if not root.is_dir():
        raise DataError(f"{str(root)!r} is no folder; give one with a sub-folder for each class")
    split = next((name for name in _SPLITS if (root / name).is_dir()), "all")
    home = root if split == "all" else root / split
    try:
        return _of_classes(home, split, source)
    except OSError as error:
        reason = f"{error.filename!r}: {error.strerror or error}"
        raise DataError(f"{str(home)!r} cannot be listed, at {reason}") from error


def _of_classes(home: Path, split: str, source: str) -> BenchmarkData:
    names = sorted(p.name for p in home.iterdir() if p.is_dir() and not p.name.startswith("."))
    if not names:
        raise DataError(f"{str(home)!r} has no sub-folders; there must be one for each class")
    pictures: list[Picture] = []
    for label, name in enumerate(names):
        files = find_images([home / name]) if any((home / name).iterdir()) else ()
        pictures += [Picture(file.relative_to(home).as_posix(), file, label) for file in files]
    if not pictures:
        raise DataError(f"{str(home)!r} holds no picture")
    return BenchmarkData(source, split, tuple(names), tuple(pictures))
