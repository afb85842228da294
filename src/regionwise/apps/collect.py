"""Which images a command shall work on, and the folder of each one's results."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from regionwise.data.images import find_images
from regionwise.errors import ImageError

SHEET, MANIFEST = "sheet.png", "manifest.json"


@dataclass(frozen=True)
class NamedImage:
    """An image file and the name of the folder that its results go to."""

    path: Path
    folder: str


@dataclass(frozen=True)
class Failure:
    """An image that could not be explained, and why."""

    source: str
    reason: str


def collect_images(
    arguments: Sequence[str], out: Path
) -> tuple[tuple[NamedImage, ...], tuple[Failure, ...]]:
    """Return the images that ``arguments`` stand for, and those arguments that stand for none.

    Folders and patterns do not reach into ``out``, where an earlier run may have left pictures.
    """
    found: list[Path] = []
    failed: list[Failure] = []
    for argument in arguments:
        try:
            found += _outside(argument, find_images([argument]), out)
        except ImageError as error:
            failed.append(Failure(readable(argument), str(error)))
    return name_folders(find_images(found)), tuple(failed)


def name_folders(paths: Iterable[Path]) -> tuple[NamedImage, ...]:
    """Name each image's folder after its file; equal names are numbered: wren, wren-2, wren-3.

    Letter case does not tell two names apart, since some file systems would not either.
    """
    taken = {SHEET, MANIFEST}
    named = []
    for path in paths:
        stem, number = readable(path.stem), 1
        folder = stem
        while folder.lower() in taken:
            number += 1
            folder = f"{stem}-{number}"
        taken.add(folder.lower())
        named.append(NamedImage(path, folder))
    return tuple(named)


def readable(name: str) -> str:
    """Return ``name`` with a sign in place of bytes that are no UTF-8, as text files demand it."""
    return re.sub("[\ud800-\udfff]", "\ufffd", name)


def _outside(argument: str, files: tuple[Path, ...], out: Path) -> tuple[Path, ...]:
    """Leave out what lies in the output folder, unless it was named outright.

    Raises:
        ImageError: nothing else was found.
    """
    if Path(argument).is_file():
        return files
    home = out.resolve()
    kept = tuple(file for file in files if not file.resolve().is_relative_to(home))
    if not kept:
        message = f"all images of {argument!r} lie in the output folder {str(out)!r}"
        raise ImageError(f"{message}; choose another --out")
    return kept
