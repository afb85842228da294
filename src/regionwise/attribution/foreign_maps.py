"""Maps that were made elsewhere: a folder of arrays, named after the pictures of a benchmark."""

from __future__ import annotations

import hashlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor

from regionwise.attribution.foreign import Foreign, classes_of
from regionwise.attribution.foreign_names import ForeignName
from regionwise.attribution.recipe import Origin, RawMaps, Recipe
from regionwise.errors import DataError, SettingError
from regionwise.evidence.masking import resized
from regionwise.evidence.probe import Probe
from regionwise.registry import Card

_OF_CLASS: Final = re.compile(r".+\.(0|[1-9]\d*)\.npy")
_ONCE: Final = "maps that were made elsewhere cannot be made again for other inputs or networks"
_ONE: Final = "the folder has no maps by class (NAME.CLASS.npy), so none of a second class"


@dataclass(frozen=True)
class FolderMaps(Foreign):
    """The maps of a folder.

    Attributes:
        by_class: some of them are of one class.
        images: whose maps are asked for; see :meth:`about`.
    """

    by_class: bool
    images: tuple[str, ...] = ()

    @property
    def origin(self) -> Origin:
        """The folder; nothing but the one map of each picture can be had."""
        lacks = {"again": _ONCE, "on_model": _ONCE}
        if not self.by_class:
            lacks |= {"second": _ONE, "second_maps": _ONE}
        return replace(super().origin, lacks=lacks)

    def about(self, images: Sequence[str]) -> Recipe:
        """Return the maps of these pictures."""
        return replace(self, images=tuple(images))

    def __call__(self, probe: Probe) -> RawMaps:
        """Read the maps, brought to the size of the inputs."""
        if len(self.images) != len(probe.inputs):
            raise SettingError(
                f"{self.id!r} holds maps by the names of pictures, which only a benchmark knows:"
                f" regionwise benchmark ... --maps {self.named.place}"
            )
        classes = classes_of(probe, self.id).tolist()
        rows = [
            torch.cat([self._map(image, index, len(row), probe) for index in row], dim=1)
            for image, row in zip(self.images, classes, strict=True)
        ]
        return RawMaps(torch.cat(rows))

    def _map(self, image: str, index: int, targets: int, probe: Probe) -> Tensor:
        """Return one map, 1 1 h w; where several classes are asked for, each needs its own."""
        names = places_of(image, index, shared=targets == 1 or not self.by_class)
        folder = Path(self.named.place)
        path = next((p for name in names if (p := folder / name).is_file()), None)
        if path is None:
            raise DataError(f"{self.id!r} has no map of {image!r}; looked for {_listed(names)}")
        return resized(torch.from_numpy(read_map(path))[None, None].to(probe.inputs), probe.size)


def open_maps(named: ForeignName) -> FolderMaps:
    """Return the method that a folder of maps is.

    Raises:
        SettingError: there is no such folder, no map in it, or settings.
    """
    folder = Path(named.place)
    files = sorted(p for p in folder.rglob("*.npy") if p.is_file()) if folder.is_dir() else []
    if not files:
        what = "holds no .npy file" if folder.is_dir() else "is no folder"
        raise SettingError(f"{named.text!r}: {named.place!r} {what}; give a folder of maps")
    card = Card(
        name=named.label,
        title=f"Maps of {named.name}",
        reference=named.name,
        recipe=named.text,
        formula="",
        summary="Maps that were made elsewhere.",
        passes="",
        uses_layer=False,
        differentiable=False,
        planar=True,
    )
    sizes = tuple((p.relative_to(folder).as_posix(), *_stamp(p)) for p in files)
    by_class = any(_OF_CLASS.fullmatch(p.name) for p in files)
    return FolderMaps(named, card, _digest(str(folder.resolve()), sizes), {}, {}, by_class)


def places_of(image: str, index: int, *, shared: bool) -> list[str]:
    """Return where the map of a picture may lie, the best place first.

    That of class 7 of ``birds/1.jpg``: ``birds/1.jpg.7.npy``, ``birds/1.7.npy``; and, unless each
    class needs its own, ``birds/1.jpg.npy`` (as wsolevaluation writes them), ``birds/1.npy``.
    """
    names = [image, str(Path(image).with_suffix(""))]
    own = [f"{name}.{index}.npy" for name in names]
    return [*own, *(f"{name}.npy" for name in names)] if shared else own


def read_map(path: Path) -> np.ndarray:
    """Return the map in a file, i j.

    Raises:
        DataError: it is no array of two axes, or not finite. Pickled objects are not read.
    """
    try:
        with warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # what it warns of, it reads
            found = np.load(file, allow_pickle=False)
    except Exception as error:  # numpy raises nearly everything on broken files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"the map {str(path)!r} cannot be read: {reason}") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiub":
        raise DataError(f"the map {str(path)!r} is no array of real numbers")
    if found.ndim != 2 or 0 in found.shape:
        raise DataError(f"the map {str(path)!r} has shape {found.shape}; it must be rows x columns")
    with np.errstate(all="ignore"):
        values = found.astype(np.float64)
    if not np.isfinite(values).all():
        raise DataError(f"the map {str(path)!r} contains NaN or infinity")
    return values


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=8)
def _digest(folder: str, files: tuple[tuple[str, int, int], ...]) -> str:
    """Return a digest of the names and contents of files; times only say when to read again."""
    found = hashlib.sha256()
    for name, size, _ in files:
        found.update(f"{name}\n{size}\n".encode())
        with (Path(folder) / name).open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()[:16]
