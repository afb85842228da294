"""Labelled pictures: from a folder on the disk to lists that can be trained on."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from regionwise.data.cub import CubImage, read_cub
from regionwise.data.images import find_images
from regionwise.errors import DataError, ImageError, nearest

KINDS: Final = ("birds", "cub", "folder")
"""What may stand in front of the colon: rendered birds, CUB-200-2011, a folder for each class."""

_TRAIN: Final = "train"
_TEST: Final = ("val", "test")


@dataclass(frozen=True)
class Sample:
    """One picture: its path, its label counted from 0, its name for people, and its group."""

    path: Path
    label: int
    name: str
    group: str = ""


@dataclass(frozen=True)
class LabelledData:
    """Training and test pictures of the same classes; ``test`` may be empty.

    Attributes:
        source: what was read, such as ``birds:data``.
        class_names: in the order of the labels.
        train: what may be trained on, validation included.
        test: what is looked at once, when all is done.
    """

    source: str
    class_names: tuple[str, ...]
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]

    def fingerprint(self) -> str:
        """Return a SHA-256 over names, labels, groups and file sizes of all pictures."""
        digest = hashlib.sha256("\n".join(self.class_names).encode())
        for part in (self.train, self.test):
            for one in part:
                size = one.path.stat().st_size
                digest.update(f"\n{one.name} {one.label} {one.group} {size}".encode())
            digest.update(b"\n--")
        return digest.hexdigest()


def read_data(source: str, *, groups: str | Path | None = None) -> LabelledData:
    """Read ``birds:DIR``, ``cub:DIR`` or ``folder:DIR``.

    A folder has one sub-folder for each class, or ``train/`` and (if there is a test set) ``val/``
    or ``test/`` with those. ``groups`` is a file with two columns, an image's path below DIR and
    its group, for pictures that belong together: patients, say.

    Raises:
        DataError: an unknown kind, a folder that is incomplete, a class without training pictures,
            or a picture without a group.
    """
    kind, colon, place = source.partition(":")
    if not colon or kind not in KINDS or not place:
        raise DataError(
            f"{source!r} names no data; write birds:DIR, cub:DIR or folder:DIR"
            + (f" ({nearest(kind, KINDS)})" if colon and kind not in KINDS else "")
        )
    root = Path(place).expanduser()
    data = _of_folder(root, source) if kind == "folder" else _of_cub(root, source)
    if groups is not None:
        data = _with_groups(data, Path(groups))
    check_classes(data.class_names, data.train, source)
    return data


def check_classes(class_names: Sequence[str], samples: Iterable[Sample], source: str) -> None:
    """Refuse fewer than two classes, and a class without a picture to train on.

    Raises:
        DataError: names the class.
    """
    if len(class_names) < 2:
        raise DataError(f"{source!r} has {len(class_names)} class; at least 2 are needed")
    counts = Counter(sample.label for sample in samples)
    empty = [name for label, name in enumerate(class_names) if not counts[label]]
    if empty:
        raise DataError(
            f"class {empty[0]!r} of {source!r} has no picture to train on"
            f"{f' ({len(empty)} such classes)' if len(empty) > 1 else ''}; add some or remove it"
        )


def _of_cub(root: Path, source: str) -> LabelledData:
    data = read_cub(root)

    def samples(images: Iterable[CubImage]) -> tuple[Sample, ...]:
        return tuple(
            Sample(one.path, one.label, one.name, str(one.group) if one.group else "")
            for one in images
        )

    train, test = samples(data.split(train=True)), samples(data.split(train=False))
    return LabelledData(source, data.class_names, train, test)


def _of_folder(root: Path, source: str) -> LabelledData:
    if not root.is_dir():
        raise DataError(f"{str(root)!r} is no folder; give one with a sub-folder for each class")
    train = root / _TRAIN if (root / _TRAIN).is_dir() else root
    if train == root:
        _check_no_split(root)
    test = next((root / name for name in _TEST if (root / name).is_dir()), None)
    names = _classes_in(train)
    if train == root:
        return LabelledData(source, names, _pictures(root, train, names), ())
    tested: tuple[Sample, ...] = ()
    if test is not None:
        surplus = sorted(set(_classes_in(test)) - set(names))
        if surplus:
            raise DataError(
                f"class {surplus[0]!r} in {str(test)!r} is not in {str(train)!r};"
                " the two must have the same classes"
            )
        tested = _pictures(root, test, [name for name in names if (test / name).is_dir()], names)
    return LabelledData(source, names, _pictures(root, train, names), tested)


def _check_no_split(root: Path) -> None:
    """Refuse ``val/`` or ``test/`` with classes in it beside no ``train/``."""
    for name in _TEST:
        below = root / name
        if below.is_dir() and any(item.is_dir() for item in below.iterdir()):
            raise DataError(
                f"{str(root)!r} has {name}/ with classes in it, but no train/; add it, or give"
                f" folder:{below}"
            )


def _classes_in(folder: Path) -> tuple[str, ...]:
    found = sorted(
        item.name for item in folder.iterdir() if item.is_dir() and not item.name.startswith(".")
    )
    if not found:
        raise DataError(f"{str(folder)!r} has no sub-folders; there must be one for each class")
    return tuple(found)


def _pictures(
    root: Path, folder: Path, names: Sequence[str], classes: Sequence[str] | None = None
) -> tuple[Sample, ...]:
    labels = {name: label for label, name in enumerate(classes or names)}
    samples: list[Sample] = []
    for name in names:
        try:
            files = find_images([folder / name])
        except ImageError as error:
            raise DataError(f"class {name!r} is empty: {error}") from error
        samples += [Sample(f, labels[name], f.relative_to(root).as_posix()) for f in files]
    return tuple(samples)


def _with_groups(data: LabelledData, path: Path) -> LabelledData:
    groups = _read_groups(path)

    def named(samples: Iterable[Sample]) -> tuple[Sample, ...]:
        return tuple(replace(one, group=_group_of(one, groups, path)) for one in samples)

    return replace(data, train=named(data.train), test=named(data.test))


def _group_of(sample: Sample, groups: Mapping[str, str], path: Path) -> str:
    if sample.name not in groups:
        raise DataError(f"{str(path)!r} names no group for {sample.name!r}; add a line")
    return groups[sample.name]


def _read_groups(path: Path) -> dict[str, str]:
    """Read lines of a name and a group, parted by a tab, a comma or the last space."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise DataError(f"cannot read the groups in {str(path)!r}: {reason}") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        mark = next((mark for mark in ("\t", ",") if mark in line), " ")
        name, _, group = (part.strip() for part in line.strip().rpartition(mark))
        if not line.strip():
            continue
        if not name or not group or name in found:
            raise DataError(
                f"{str(path)!r}, line {number}, must be a picture not named before, and its group:"
                f" {line!r}"
            )
        found[name] = group
    return found
