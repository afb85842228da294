"""Tar archives of images, as WebDataset writes them: where each member lies, and its label."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from regionwise.data.images import SUFFIXES
from regionwise.data.stored import LABELS, Index, Labelled, TarImage
from regionwise.errors import DataError
from regionwise.uris import is_uri, opened, reason, shown

_NUMBER: Final = re.compile(r"-?\d{1,18}")
_LONGEST: Final = 1 << 20
"""Bytes of a file with a label; what is longer is something else."""
_BEHIND: Final = 1 << 16
"""Bytes behind the end that are looked at: zeros fill up the last record."""


def tar_index(archive: str) -> Index:
    """Return the images of a shard; files of one key (the name up to its first dot) are a sample.

    The label is in ``KEY.cls``, or in ``KEY.json`` under ``label``, ``cls`` or ``class``. Of an
    archive that is damaged, or ends too early, the images before are returned.

    Raises:
        DataError: it is no tar archive, or damaged in front of its first image.
        OSError, SettingError: the archive cannot be read.
    """
    shard, damage = _Shard(archive), ""
    with _stream(archive) as stream:
        try:
            with tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in _members(tar, stream):
                    shard.add(tar, member)
        except Exception as error:  # tarfile raises nearly everything on broken files
            damage = (
                f"{shown(archive)!r} is no tar archive, or damaged ({reason(error)}); it must not"
                " be compressed as a whole, so that its members can be read one by one"
            )
            if not shard.samples:
                raise DataError(damage) from error
    return Index(shard.images(), damage=damage)


@dataclass
class _Shard:
    """What was found so far: images and labels by key; labels by the suffix of their file."""

    archive: str
    samples: dict[str, list[TarImage]] = field(default_factory=dict)
    labels: dict[str, dict[str, int | str]] = field(default_factory=dict)

    def add(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Take a member in, if it is an image or a label."""
        path = PurePosixPath(member.name)
        hidden = any(part.startswith(".") for part in path.parts)
        if hidden or not member.isreg() or member.issparse():
            return
        key = str(path.parent / path.name.partition(".")[0])
        if path.suffix.lower() in SUFFIXES:
            image = TarImage(str(path), self.archive, member.offset_data, member.size)
            self.samples.setdefault(key, []).append(image)
        elif path.suffix in {".cls", ".json"} and member.size <= _LONGEST:
            content = tar.extractfile(member)
            label = _label(path.suffix, content.read() if content else b"")
            if label is not None:
                self.labels.setdefault(key, {})[path.suffix] = label

    def images(self) -> tuple[Labelled, ...]:
        """Return the images with their labels."""
        return tuple(
            _labelled(image, self.labels.get(key, {}))
            for key, images in self.samples.items()
            for image in _plain(images)
        )


def _members(tar: tarfile.TarFile, stream: Any) -> Iterator[tarfile.TarInfo]:
    """Yield all members.

    Raises:
        tarfile.ReadError: a header is damaged, or leads back, or the end is missing. ``tarfile``
            would take the first for the end, and go round for ever.
    """
    place = -1
    for member in tar:
        if member.size < 0 or member.offset <= place:
            raise tarfile.ReadError(f"bad size of {member.name!r}")
        place = member.offset
        yield member
    stream.seek(tar.offset)
    end = stream.read(_BEHIND)
    if len(end) < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("its end is missing")
    if any(end):
        raise tarfile.ReadError("a header is damaged, or more follows behind the end")


def _labelled(image: TarImage, given: Mapping[str, int | str]) -> Labelled:
    """Take the label in ``.cls``; that in ``.json`` contradicts it if it is another of its kind."""
    label = given.get(".cls", given.get(".json"))
    other = given.get(".json", label)
    contradicts = type(label) is type(other) and label != other
    return Labelled(image, label, other if contradicts else None)


def _plain(images: Sequence[TarImage]) -> Sequence[TarImage]:
    """Leave out ``x.mask.png`` where there is ``x.jpg``."""
    plain = [image for image in images if image.name.count(".") == 1]
    return plain or images


def _label(suffix: str, content: bytes) -> int | str | None:
    """Return the label in a ``.cls`` or ``.json`` of a sample; nothing if there is none."""
    try:
        text = content.decode("utf-8-sig").strip()
        value: Any = text or None
        if suffix == ".json":
            value = json.loads(text)
            given = [value[name] for name in LABELS if name in value]
            value = given[0] if given else None
        elif _NUMBER.fullmatch(text):
            value = int(text)
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


@contextmanager
def _stream(archive: str) -> Iterator[IO[bytes]]:
    if is_uri(archive):
        system, path = opened(archive)
        with system.open_input_file(path) as stream:
            yield stream
    else:
        with Path(archive).open("rb") as file:
            yield file
