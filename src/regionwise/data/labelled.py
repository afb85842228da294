"""Labelled images of archives and object stores: a class for each image, counted from 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from regionwise.data.archives import read_archives
from regionwise.data.sources import archives_of, objects_of
from regionwise.data.stored import Index, Stored
from regionwise.errors import DataError, ImageError
from regionwise.regular import text_of
from regionwise.uris import below, is_uri, opened, reason, shown

CLASS_NAMES: Final = "classnames.txt"
"""A name per line, beside the shards or one folder up, as is the habit with WebDataset."""


_BUCKET: Final = 2
"""The place of the bucket in a URI that is split at its slashes."""


@dataclass(frozen=True)
class InClass:
    """An image and its class by number."""

    image: Stored
    label: int


@dataclass(frozen=True)
class Classes:
    """Images and the names of their classes."""

    images: tuple[InClass, ...]
    class_names: tuple[str, ...]


def archived(place: str) -> Classes:
    """Return the images of archives; labels are numbers or names.

    Names of numbers are told by the file (Hugging Face's own note in Parquet) or by
    ``classnames.txt`` beside it; else a class is called by its number.

    Raises:
        DataError: there is no archive, an image has no label, or one that cannot be.
    """
    archives = archives_of(place)
    if not archives:
        raise DataError(f"{shown(place)!r} holds no .tar and no .parquet")
    found = read_archives(archives)
    for one in found.images:
        if one.other is not None:
            raise DataError(
                f"{str(one.image)!r} has the labels {one.label!r} and {one.other!r}; keep one"
            )
    if found.class_names or not all(isinstance(one.label, str) for one in found.images):
        names = found.class_names or _names_beside(archives[0])
        return _by_number(found, names)
    order = sorted({str(one.label) for one in found.images})
    places = {name: number for number, name in enumerate(order)}
    images = tuple(InClass(one.image, places[str(one.label)]) for one in found.images)
    return Classes(images, tuple(order))


def objects_by_class(uri: str) -> Classes:
    """Return the images below a URI; the first part of a key is the class.

    Raises:
        DataError: there is none, or one lies in no folder.
    """
    try:
        images = objects_of(uri)
    except ImageError as error:
        raise DataError(str(error)) from error
    loose = [image for image in images if "/" not in image.key]
    if loose:
        raise DataError(f"{str(loose[0])!r} lies in no folder of a class; there must be one each")
    names = sorted({image.key.partition("/")[0] for image in images})
    places = {name: number for number, name in enumerate(names)}
    found = (InClass(image, places[image.key.partition("/")[0]]) for image in images)
    return Classes(tuple(found), tuple(names))


def _by_number(found: Index, names: Sequence[str]) -> Classes:
    for one in found.images:
        top = len(names) if names else 2**31
        if not isinstance(one.label, int) or not 0 <= one.label < top:
            what = "no label" if one.label is None else f"the label {one.label!r}"
            least = f"0 to {len(names) - 1}" if names else "a class by number or by name"
            raise DataError(f"{str(one.image)!r} has {what}; it must be {least}")
    images = tuple(InClass(one.image, int(one.label or 0)) for one in found.images)
    count = max(one.label for one in images) + 1
    return Classes(images, tuple(names) or tuple(map(str, range(count))))


def _names_beside(archive: str) -> tuple[str, ...]:
    """Return the lines of ``classnames.txt`` beside an archive, or one folder up."""
    for folder in _homes(archive):
        file = below(folder, CLASS_NAMES) if is_uri(folder) else str(Path(folder) / CLASS_NAMES)
        text = _text(file)
        if text is None:
            continue
        names = [line.strip() for line in text.rstrip().splitlines()]
        if "" in names:  # all names behind it would be one off
            raise DataError(f"{shown(file)!r}, line {names.index('') + 1}, names no class")
        return tuple(names)
    return ()


def _homes(archive: str) -> tuple[str, ...]:
    """Return the folder of an archive and the one above; above a bucket there is none."""
    if not is_uri(archive):
        home = Path(archive).parent
        return (str(home), str(home.parent))
    place, mark, query = archive.partition("?")
    parts = place.split("/")
    homes = ["/".join(parts[:-cut]) for cut in (1, 2) if len(parts) - cut > _BUCKET]
    return tuple(home + mark + query for home in homes)


def _text(file: str) -> str | None:
    try:
        if not is_uri(file):
            return text_of(Path(file)).removeprefix("\ufeff")
        system, path = opened(file)
        with system.open_input_stream(path) as stream:
            return bytes(stream.read()).decode("utf-8-sig")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{shown(file)!r} cannot be read: {reason(error)}") from error
