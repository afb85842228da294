"""Batches: which images make one, and the tensors they become."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from regionwise.data.images import open_image
from regionwise.errors import ImageError
from regionwise.training.samples import Sample
from regionwise.training.views import View, flips

CACHE_BYTES: Final = 2**30
"""Prepared pictures stay in memory up to a gibibyte; above it they are read again each time."""

Key: TypeAlias = tuple[int, int]
"""An epoch and an image's index: what is drawn for an image depends on nothing else."""

Batch: TypeAlias = Sequence[Tensor]
"""Pixels (uint8, n c h w) or activations (n k i j), labels, and the images' indices."""


class EpochBatches(Sampler[list[Key]]):
    """Keys of batches, shuffled by (seed, epoch), and shared out between devices.

    A batch of all devices together has ``batch`` images; this device has every ``world``-th of
    them. A last image that would be alone joins the batch before it: batch normalisation cannot
    work with one.

    Args:
        count: number of images.
        batch: images of one step.
        seed: of the order; ``None`` keeps the images in order.
        rank: of this device.
        world: number of devices.
    """

    def __init__(
        self, count: int, batch: int, *, seed: int | None = None, rank: int = 0, world: int = 1
    ) -> None:
        self._count, self._batch, self._seed = count, batch, seed
        self._rank, self._world = rank, world
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; the trainer calls it before each."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._bounds())

    def __iter__(self) -> Iterator[list[Key]]:
        order: list[int] = list(range(self._count))
        if self._seed is not None:
            order = np.random.default_rng([self._seed, self._epoch]).permutation(order).tolist()
        for start, stop in self._bounds():
            mine = order[start:stop][self._rank :: self._world]
            if not mine and self._seed is not None:  # all devices must take part in a step
                mine = order[start : start + 1]
            if mine:
                yield [(self._epoch, index) for index in mine]

    def _bounds(self) -> list[tuple[int, int]]:
        starts = list(range(0, self._count, self._batch))
        if len(starts) > 1 and self._count - starts[-1] < 2 * self._world:
            starts.pop()
        return list(zip(starts, [*starts[1:], self._count], strict=True))


@dataclass(eq=False)
class Pictures(Dataset[Batch]):
    """Pictures as the network sees them, kept in memory after the first look if they are small.

    Attributes:
        samples: the pictures.
        view: what is seen of them.
        keep: whether they are kept.
    """

    samples: Sequence[Sample]
    view: View
    keep: bool = False
    _kept: dict[int, Image.Image] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, keys: Sequence[Key]) -> Batch:
        """Return pixels n c h w (uint8), labels and indices."""
        pixels = np.stack([self.view.pixels(self._prepared(i), epoch, i) for epoch, i in keys])
        return torch.from_numpy(pixels), *_labels(self.samples, keys)

    def __getstate__(self) -> dict[str, object]:
        """Leave the kept pictures behind: another process keeps its own."""
        return {**self.__dict__, "_kept": {}}

    def check(self) -> None:
        """Look at every picture: read it if it is kept, else at its header alone.

        Raises:
            ImageError: names the first picture that cannot be read.
        """
        for index, sample in enumerate(self.samples):
            if self.keep:
                self._prepared(index)
            else:
                size_of(sample)

    def _prepared(self, index: int) -> Image.Image:
        if index in self._kept:
            return self._kept[index]
        prepared = self.view.prepared(open_image(self.samples[index].path))
        if self.keep:
            self._kept[index] = prepared
        return prepared


@dataclass(eq=False)
class Features(Dataset[Batch]):
    """Activations of a frozen backbone, computed once.

    Attributes:
        samples: the pictures they were computed from.
        activations: v n k i j; one view (v = 1), or a second one of the mirrored pictures.
        seed: of the mirroring.
    """

    samples: Sequence[Sample]
    activations: Float[Tensor, "v n k i j"]
    seed: int = 0

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, keys: Sequence[Key]) -> Batch:
        """Return activations n k i j, labels and indices."""
        views, places = [self._view(*key) for key in keys], [index for _, index in keys]
        return self.activations[views, places], *_labels(self.samples, keys)

    def _view(self, epoch: int, index: int) -> int:
        if len(self.activations) == 1:
            return 0
        return int(flips(np.random.default_rng([self.seed, epoch, index])))


def fits_in_memory(samples: Sequence[Sample], view: View, limit: int = CACHE_BYTES) -> bool:
    """Return whether the prepared pictures take less than ``limit`` bytes together."""
    if view.augmentation != "resized-crop":
        return len(samples) * view.bytes_kept(1, 1) < limit
    total = 0
    for sample in samples:
        total += view.bytes_kept(*size_of(sample))
        if total >= limit:
            return False
    return True


def check_readable(samples: Sequence[Sample]) -> None:
    """Read every picture once: one that is damaged shall not stop a run at its end.

    Raises:
        ImageError: names the first that cannot be read.
    """
    for sample in samples:
        open_image(sample.path)


def size_of(sample: Sample) -> tuple[int, int]:
    """Return a picture's width and height, from its header.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        with Image.open(sample.path) as image:
            return image.size
    except Exception as error:  # Pillow raises nearly everything on broken files
        open_image(sample.path)  # says what is wrong
        raise ImageError(f"{str(sample.path)!r} cannot be read as an image: {error}") from error


def _labels(
    samples: Sequence[Sample], keys: Sequence[Key]
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
    indices = [index for _, index in keys]
    return torch.tensor([samples[i].label for i in indices]), torch.tensor(indices)


def mirrored(pixels: UInt8[Tensor, "n c h w"]) -> UInt8[Tensor, "n c h w"]:
    """Return the pictures left to right."""
    return pixels.flip(-1)
