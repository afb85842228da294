"""From what a user names to images: files, folders, patterns and archives, here or behind a URI."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

from regionwise.data.archives import is_archive, read_archives
from regionwise.data.images import SUFFIXES, find_images
from regionwise.data.patterns import matching
from regionwise.data.remote import listed
from regionwise.data.stored import ObjectImage, Stored
from regionwise.errors import DataError, ImageError, SettingError
from regionwise.uris import is_uri, local_path, shown

Source: TypeAlias = Path | Stored
"""An image: a file of this machine, or one that is stored otherwise."""

_BRACES: Final = re.compile(r"\{([^{}]*)\}")
_RANGE: Final = re.compile(r"(\d{1,9})\.\.(\d{1,9})")
_MOST: Final = 100_000


def find_sources(argument: str) -> tuple[Source, ...]:
    """Return the images that an argument stands for.

    ==================================  ========================================================
    a file, a folder, a pattern         as :func:`find_images`; a folder without images, but with
                                        archives, stands for those
    ``x.tar``, ``x.parquet``            the images in an archive
    ``shards-{000..127}.tar``           so many of them; ``{a,b}`` is either
    ``s3://...``, ``gs://...``, ...     each of these, behind a URI
    ==================================  ========================================================

    An archive that is damaged gives the images that can be found in it, and one in place of the
    rest, which cannot be read; its error says why.

    Raises:
        ImageError: it stands for no image.
        DataError: no archive, or a store, can be read.
        SettingError: nothing knows the scheme of a URI.
    """
    archives = archives_of(argument)
    if archives:
        return tuple(one.image for one in read_archives(archives, strict=False).images)
    if not is_uri(argument):
        return find_images([argument])
    path = local_path(argument)
    return objects_of(argument) if path is None else find_images([path])


def archives_of(argument: str) -> list[str]:
    """Return the archives that a path, a pattern or a URI stands for; none if it means images.

    One that is named outright need not be there; whoever reads it says so.

    Raises:
        DataError: a pattern matches nothing, or a store cannot be listed.
        SettingError: nothing knows the scheme of a URI.
    """
    try:
        exists = not is_uri(argument) and Path(argument).exists()
        texts = [argument] if exists else unfolded(argument)
        return [found for text in texts for found in _archives(text)]
    except (OSError, RuntimeError):  # a name that cannot be: whoever looks for images says so
        return []


def objects_of(uri: str) -> tuple[ObjectImage, ...]:
    """Return the images behind a URI.

    Raises:
        ImageError: there is none.
        DataError: the store cannot be listed.
    """
    found = listed(uri)
    single = len(found.sizes) == 1 and uri.partition("?")[0].endswith(next(iter(found.sizes)))
    images = [
        ObjectImage(key, found.root, size)
        for key, size in found.sizes.items()
        if single or _has_suffix(key)
    ]
    if not images:
        raise ImageError(f"{shown(uri)!r} holds no image; looked for {' '.join(sorted(SUFFIXES))}")
    return tuple(images)


def unfolded(text: str) -> list[str]:
    """Return the texts that braces stand for: ``{000..127}`` counts, ``{a,b}`` lists.

    Raises:
        SettingError: they stand for far too many.
    """
    found = [text]
    while any(_BRACES.search(one) for one in found):
        more = (new for one in found for new in _unfolded_once(one))
        found = list(islice(more, _MOST + 1))
        if len(found) > _MOST:
            raise SettingError(f"{shown(text)!r} stands for more than {_MOST:,} archives")
    return list(dict.fromkeys(found))


def _unfolded_once(text: str) -> Iterator[str]:
    """Yield what the first pair of braces without others in it stands for."""
    braces = _BRACES.search(text)
    if braces is None:
        yield text
        return
    span = _RANGE.fullmatch(braces[1])
    parts: Iterable[str] = braces[1].split(",")
    if span is not None:
        numbers = range(int(span[1]), int(span[2]) + 1)
        parts = (f"{number:0{len(span[1])}d}" for number in numbers)
    before, after = text[: braces.start()], text[braces.end() :]
    yield from (f"{before}{part}{after}" for part in parts)


def _archives(text: str) -> list[str]:
    path = local_path(text)
    if path is None:
        if is_archive(text) and not glob.has_magic(text.partition("?")[0]):
            return [text]
        found = listed(text)
        kept = [key for key in found.sizes if is_archive(key)]
        return [] if any(map(_has_suffix, found.sizes)) else [found.uri(key) for key in kept]
    if path.is_dir():
        return _archives_below(path)
    if not is_archive(text):
        return []
    pattern = glob.has_magic(str(path)) and not path.exists()
    matches = sorted(matching(str(path))) if pattern else [str(path)]
    if not matches:
        raise DataError(f"{text!r} does not exist, or matches nothing; check the path")
    return matches


def _archives_below(folder: Path) -> list[str]:
    """Return the archives in a folder that holds no image."""
    found: list[str] = []
    for path in folder.rglob("*"):
        if any(part.startswith(".") for part in path.relative_to(folder).parts):
            continue
        if _has_suffix(path.name):
            return []
        if is_archive(path.name) and path.is_file():
            found.append(str(path))
    return sorted(found)


def _has_suffix(key: str) -> bool:
    return PurePosixPath(key).suffix.lower() in SUFFIXES
