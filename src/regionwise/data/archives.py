"""Archives of images: tar shards and Parquet files, on this machine or behind a URI.

Only the index is read: names, places and labels. The pictures follow one by one.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final

from regionwise.data.parquet_images import parquet_index
from regionwise.data.stored import Index, Labelled
from regionwise.data.tar_shards import tar_index
from regionwise.errors import DataError, SettingError
from regionwise.uris import is_uri, reason, shown

_KINDS: Final = {".tar": tar_index, ".parquet": parquet_index}
_READERS: Final = 8


def is_archive(name: str) -> bool:
    """Return whether a path or URI has the suffix of an archive."""
    return _bare(name).suffix.lower() in _KINDS


def read_archives(archives: Sequence[str]) -> Index:
    """Return what archives hold, in their order; a key that comes twice gets its archive in front.

    Raises:
        DataError: one cannot be read or holds no image, they name classes differently, or images
            cannot be told apart.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        found = list(readers.map(_index, archives))
    classes = {index.class_names for index in found}
    if len(classes) > 1:
        raise DataError(f"{shown(archives[0])!r} and those beside it name different classes")
    times = Counter(one.image.key for index in found for one in index.images)
    images: list[Labelled] = []
    for archive, index in zip(archives, found, strict=True):
        own = _bare(archive).stem
        images += [
            _told_apart(one, own) if times[one.image.key] > 1 else one for one in index.images
        ]
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
    try:
        found = _KINDS[_bare(archive).suffix.lower()](archive)
    except tarfile.ReadError as error:
        raise DataError(
            f"{shown(archive)!r} is no tar archive, or damaged ({reason(error)}); it must not be"
            " compressed as a whole, so that its members can be read one by one"
        ) from error
    except DataError:
        raise
    except (OSError, ValueError, LookupError, SettingError) as error:  # Arrow's are ValueErrors
        raise DataError(f"cannot read {shown(archive)!r}: {reason(error)}") from error
    if not found.images:
        raise DataError(f"{shown(archive)!r} holds no image")
    return found


def _bare(name: str) -> PurePosixPath:
    """Return a path or URI without the query behind it."""
    return PurePosixPath(name.partition("?")[0] if is_uri(name) else name)
