"""Which images a command shall work on, and the folder of each one's results."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from regionwise.apps.request import LEDGER
from regionwise.benchmark.pool import SIGN
from regionwise.data.real_paths import real_paths
from regionwise.data.sources import Source, find_sources
from regionwise.errors import ImageError, InputError, SettingError
from regionwise.report.shards import SHARDS
from regionwise.uris import local_path, shown

SHEET, MANIFEST, IMAGES = "sheet.png", "manifest.json", "images.jsonl"
_LONGEST = 200
"""Bytes of a folder's name: most file systems take 255, and a number may follow."""


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image and the name of the folder that its results go to."""

    path: Source
    folder: str


@dataclass(frozen=True)
class Failure:
    """An image that could not be explained, and why."""

    source: str
    reason: str


def collect_images(
    arguments: Sequence[str], out: Path | None
) -> tuple[tuple[NamedImage, ...], tuple[Failure, ...]]:
    """Return the images that ``arguments`` stand for, and those arguments that stand for none.

    Folders and patterns do not reach into ``out``, where an earlier run may have left pictures.
    """
    found: dict[object, Source] = {}
    failed: list[Failure] = []
    real = real_paths()
    for argument in arguments:
        try:
            for source in _outside(argument, find_sources(argument), out, real):
                found.setdefault(real(source) if isinstance(source, Path) else source, source)
        except (InputError, SettingError) as error:
            failed.append(Failure(readable(shown(argument)), str(error)))
    return name_folders(found.values()), tuple(failed)


def name_folders(sources: Iterable[Source]) -> tuple[NamedImage, ...]:
    """Name each image's folder after its file; equal names are numbered: wren, wren-2, wren-3.

    Letter case does not tell two names apart, since some file systems would not either.
    """
    taken = {SHEET, MANIFEST, IMAGES, LEDGER, SIGN, SHARDS}
    numbers: dict[str, int] = {}
    named = []
    for source in sources:
        folder = stem = _folder_for(source.stem)
        while folder.lower() in taken:
            numbers[stem.lower()] = numbers.get(stem.lower(), 1) + 1
            folder = f"{stem}-{numbers[stem.lower()]}"
        taken.add(folder.lower())
        named.append(NamedImage(source, folder))
    return tuple(named)


def _folder_for(stem: str) -> str:
    """Return a name that a folder can have: no file name is ``.`` or ``..``, or leaves no room."""
    name = readable(stem).encode()[:_LONGEST].decode(errors="ignore")
    return name if name.strip(".") else name.replace(".", "_") or "_"


def readable(name: str) -> str:
    """Return ``name`` with a sign in place of bytes that are no UTF-8, and of zero."""
    return re.sub("[\0\ud800-\udfff]", "\ufffd", name)


def _outside(
    argument: str, files: tuple[Source, ...], out: Path | None, real: Callable[[Path], str]
) -> tuple[Source, ...]:
    """Leave out what lies in the output folder, unless it was named outright.

    Raises:
        ImageError: nothing else was found.
    """
    if out is None or (len(files) == 1 and _is_file(argument)):
        return files
    home = os.path.join(out.resolve(), "")  # noqa: PTH118 - with the slash behind it
    kept = tuple(f for f in files if not isinstance(f, Path) or not real(f).startswith(home))
    if not kept:
        message = f"all images of {argument!r} lie in the output folder {str(out)!r}"
        raise ImageError(f"{message}; choose another --out")
    return kept


def _is_file(argument: str) -> bool:
    path = local_path(argument)
    return path is not None and path.is_file()
