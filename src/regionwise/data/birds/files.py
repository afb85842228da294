"""A folder that appears whole or not at all, and reading back the scenes in it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from regionwise.data.birds.scene import Scene
from regionwise.errors import DataError, OutputError


@contextmanager
def appearing(out: Path) -> Iterator[Path]:
    """Give a temporary folder beside ``out`` and rename it to ``out`` when the block succeeds.

    Raises:
        OutputError: ``out`` holds something already, or cannot be written; nothing is left behind.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        message = f"{str(out)!r} exists and is not empty; choose another folder or remove it first"
        raise OutputError(message)
    temporary = out.absolute().parent / f".{out.name}.{uuid4().hex[:8]}.partial"
    try:
        temporary.mkdir(parents=True)
        yield temporary
        temporary.replace(out)
    except OSError as error:
        message = f"cannot write {str(out)!r}: {error.strerror or error}"
        raise OutputError(message) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_scenes(folder: str | Path) -> Iterator[tuple[str, Scene]]:
    """Yield the path below ``images/`` and the scene of every picture of a data set of birds.

    Raises:
        DataError: the folder has no scenes, or a line of theirs cannot be read.
    """
    path = Path(folder) / "scenes.jsonl"
    if not path.is_file():
        message = f"{str(path)!r} is missing; only data sets written by `write_birds` have scenes"
        raise DataError(message)
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        where = f"{str(path)!r}, line {number}"
        try:
            value = json.loads(line)
            name, scene = str(value["image"]), dict(value["scene"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{where}, is no scene; write the data set again") from error
        try:
            yield name, Scene.from_json(scene)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
