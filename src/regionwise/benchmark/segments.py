"""Segments that a user brings for the pictures: what each pixel belongs to, such as nucleus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from regionwise.benchmark.samples import BenchmarkData, Picture
from regionwise.data.images import label_image
from regionwise.errors import DataError

NAMES: Final = "names.txt"
"""A name per line, in the order of the numbers, in the folder of segments."""


def with_segments(data: BenchmarkData, folder: Path | None) -> BenchmarkData:
    """Return data whose pictures know their segments, ``FOLDER/IMAGE.png``; all else as it was.

    A segment's picture has a number per pixel, grey or by palette, and the size of its picture.
    ``names.txt`` names the numbers from 0; without it they are called by themselves.

    Raises:
        DataError: there is no such folder, or no picture has segments in it.
        ImageError: a file that is needed to count the segments cannot be read.
    """
    if folder is None:
        return data
    if not folder.is_dir():
        raise DataError(f"{str(folder)!r} is no folder; give --segments one with IMAGE.png files")
    pictures = tuple(replace(p, segments=_file_of(folder, p)) for p in data.pictures)
    if all(p.segments is None for p in pictures):
        wanted = _places(folder, data.pictures[0])[0]
        raise DataError(f"no picture has segments in {str(folder)!r}; {str(wanted)!r} is one name")
    names = _names_of(folder, pictures)
    return replace(data, pictures=pictures, segments=str(folder), segment_names=names)


def _places(folder: Path, picture: Picture) -> list[Path]:
    """Return where segments may lie: under the picture's name, with its sub-folder or without."""
    return [(folder / name).with_suffix(".png") for name in (picture.name, picture.path.name)]


def _file_of(folder: Path, picture: Picture) -> Path | None:
    return next((place for place in _places(folder, picture) if place.is_file()), None)


def _names_of(folder: Path, pictures: Sequence[Picture]) -> tuple[str, ...]:
    file = folder / NAMES
    if not file.is_file():
        most = max(int(label_image(p.segments).max()) for p in pictures if p.segments)
        return tuple(map(str, range(most + 1)))
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{str(file)!r} cannot be read: {error}") from error
    names = tuple(line for line in lines if line)
    if not names or len(set(names)) < len(names):
        raise DataError(f"{str(file)!r} must hold a name per line, each once, for numbers from 0")
    return names
