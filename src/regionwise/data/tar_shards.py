"""Tar archives of images, as WebDataset writes them: where each member lies, and its label."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from regionwise.data.images import SUFFIXES
from regionwise.data.stored import LABELS, Index, Labelled, TarImage
from regionwise.uris import is_uri, opened


def tar_index(archive: str) -> Index:
    """Return the images of a shard; files of one key (the name up to its first dot) are a sample.

    The label is in ``KEY.cls``, or in ``KEY.json`` under ``label``, ``cls`` or ``class``.

    Raises:
        OSError, tarfile.ReadError, SettingError: the archive cannot be read.
    """
    samples: dict[str, list[TarImage]] = {}
    labels: dict[str, int | str] = {}
    with _stream(archive) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
        for member in tar:
            if not member.isreg() or member.issparse():
                continue
            path = PurePosixPath(member.name)
            if any(part.startswith(".") for part in path.parts):
                continue
            key = str(path.parent / path.name.partition(".")[0])
            if path.suffix.lower() in SUFFIXES:
                image = TarImage(str(path), archive, member.offset_data, member.size)
                samples.setdefault(key, []).append(image)
            elif path.suffix in {".cls", ".json"}:
                content = tar.extractfile(member)
                labels |= _label(key, path.suffix, content.read() if content else b"")
    return Index(
        tuple(
            Labelled(image, labels.get(key))
            for key, images in samples.items()
            for image in _plain(images)
        )
    )


def _plain(images: Sequence[TarImage]) -> Sequence[TarImage]:
    """Leave out ``x.mask.png`` where there is ``x.jpg``."""
    plain = [image for image in images if image.name.count(".") == 1]
    return plain or images


def _label(key: str, suffix: str, content: bytes) -> dict[str, int | str]:
    """Return the label in a ``.cls`` or ``.json`` of a sample; nothing if there is none."""
    text = content.decode("utf-8", errors="replace").strip()
    if suffix == ".cls":
        return {key: int(text) if text.isdecimal() else text}
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    given = [fields[name] for name in LABELS if name in fields] if isinstance(fields, dict) else []
    return {key: given[0]} if given and isinstance(given[0], int | str) else {}


@contextmanager
def _stream(archive: str) -> Iterator[IO[bytes]]:
    if is_uri(archive):
        system, path = opened(archive)
        with system.open_input_file(path) as stream:
            yield stream
    else:
        with Path(archive).open("rb") as file:
            yield file
