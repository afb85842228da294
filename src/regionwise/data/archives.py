"""Archives of images: tar shards and Parquet files, on this machine or behind a URI.

Only the index is read: names, places and labels. The pictures follow one by one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from regionwise.data.parquet_images import parquet_index
from regionwise.data.stored import Index, Labelled, Missing
from regionwise.data.tar_shards import tar_index
from regionwise.errors import DataError, RegionwiseError
from regionwise.uris import is_uri, local_path, reason, shown

_KINDS: Final = {".tar": tar_index, ".parquet": parquet_index}
_READERS: Final = 8
_NOWHERE: Final = "does not exist, or matches nothing; check the path"


def is_archive(name: str) -> bool:
    """Return whether a path or URI has the suffix of an archive."""
    return _bare(name).suffix.lower() in _KINDS


def read_archives(archives: Sequence[str], *, strict: bool = True) -> Index:
    """Return what archives hold, in their order; a key that comes twice gets its archive in front.

    ``strict`` is for data sets. Else an image that cannot be read stands for what is damaged.

    Raises:
        DataError: none can be read; or, if strict, one cannot be read or holds no image, they name
            classes differently, or images cannot be told apart.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        found = list(readers.map(_index, archives))
    damages = [index.damage for index in found if index.damage]
    if damages and (strict or not any(index.images for index in found)):
        raise DataError(damages[0])
    classes = {index.class_names for index in found}
    if strict and len(classes) > 1:
        raise DataError(f"{shown(archives[0])!r} and those beside it name different classes")
    times = Counter(one.image.key for index in found for one in index.images)
    images: list[Labelled] = []
    for archive, index in zip(archives, found, strict=True):
        own = _bare(archive).stem
        images += [
            _told_apart(one, own) if times[one.image.key] > 1 else one for one in index.images
        ]
        if index.damage:
            images.append(Labelled(Missing(_bare(archive).name, archive, index.damage)))
    if strict:
        _check_different(images)
    return Index(tuple(images), classes.pop() if classes else ())


def _told_apart(one: Labelled, archive: str) -> Labelled:
    return replace(one, image=replace(one.image, key=f"{archive}/{one.image.key}"))  # type: ignore[type-var]


def _check_different(images: Sequence[Labelled]) -> None:
    times = Counter(one.image.key for one in images)
    key, count = times.most_common(1)[0] if times else ("", 0)
    if count > 1:
        where = [str(one.image) for one in images if one.image.key == key]
        raise DataError(
            f"{where[0]!r} and {where[1]!r} have the same name; name images differently"
        )


def _index(archive: str) -> Index:
    """Index an archive; what is wrong with it is told in the index."""
    name = shown(archive)
    path = local_path(archive)
    if path is not None and not path.is_file():
        what = "is no regular file" if path.exists() else _NOWHERE
        return Index(damage=f"{name!r} {what}")
    try:
        found = _KINDS[_bare(archive).suffix.lower()](archive)
    except FileNotFoundError:
        return Index(damage=f"{name!r} {_NOWHERE}")
    except RegionwiseError as error:
        return Index(damage=str(error))
    except Exception as error:  # noqa: BLE001 - tarfile and Arrow raise nearly everything
        return Index(damage=f"cannot read {name!r}: {reason(error)}; copy or download it again")
    if not (found.images or found.damage):
        return Index(damage=f"{name!r} holds no image")
    return found


def _bare(name: str) -> PurePosixPath:
    """Return a path or URI without the query behind it."""
    return PurePosixPath(name.partition("?")[0] if is_uri(name) else name)
