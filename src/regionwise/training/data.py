"""The pictures of a run, as Lightning asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import lightning
from torch.utils.data import DataLoader

from regionwise.training.batches import (
    Batch,
    EpochBatches,
    Features,
    Pictures,
    fits_in_memory,
)
from regionwise.training.samples import LabelledData, Sample
from regionwise.training.splits import choose_fold, hold_out
from regionwise.training.views import View


@dataclass(frozen=True)
class Splits:
    """Three sets that share no image: to learn from, to choose by, and to look at once."""

    train: tuple[Sample, ...]
    validation: tuple[Sample, ...]
    test: tuple[Sample, ...]


@dataclass(frozen=True)
class SplitChoice:
    """How the images are shared out.

    Attributes:
        validation: share of the training images that is set aside.
        folds: number of folds; 0 keeps the test set that the data come with.
        fold: which of them is the test set.
        seed: of the draws.
    """

    validation: float = 0.1
    folds: int = 0
    fold: int = 0
    seed: int = 0


def split(data: LabelledData, choice: SplitChoice) -> Splits:
    """Share the images out; with folds, no group is on two sides.

    Raises:
        SettingError: a fold or a share that does not exist.
        DataError: too few images or groups.
    """
    if choice.folds:
        data = choose_fold(data, choice.folds, choice.fold, choice.seed)
    grouped = any(sample.group for sample in data.train)
    train, validation = hold_out(
        data.train, choice.validation, choice.seed, by_group=grouped and bool(choice.folds)
    )
    return Splits(train, validation, data.test)


@dataclass(frozen=True)
class Feeding:
    """How images are handed over.

    Attributes:
        batch: images of one step on all devices, divided by ``accumulate``.
        seed: of the order.
        workers: processes that read pictures; 0 reads them here.
        features: activations computed beforehand, instead of pictures, to learn from.
        validation_features: the same, to choose by.
    """

    batch: int
    seed: int
    workers: int = 0
    features: Features | None = field(default=None, repr=False)
    validation_features: Features | None = field(default=None, repr=False)


class RegionData(lightning.LightningDataModule):
    """Training and validation images, in an order that (seed, epoch) fixes.

    Args:
        splits: the images.
        train_view: what is seen of training images.
        test_view: what is seen of the others.
        feeding: how they are handed over.
    """

    def __init__(self, splits: Splits, train_view: View, test_view: View, feeding: Feeding) -> None:
        super().__init__()
        self.splits, self._feeding = splits, feeding
        self._train: Pictures | Features = feeding.features or kept(splits.train, train_view)
        self._validation: Pictures | Features | None = None
        if splits.validation:
            self._validation = feeding.validation_features or kept(splits.validation, test_view)

    def check(self) -> None:
        """Look at every picture before the first step.

        Raises:
            ImageError: names the first that cannot be read.
        """
        for source in (self._train, self._validation):
            if isinstance(source, Pictures):
                source.check()

    def train_dataloader(self) -> DataLoader[Batch]:
        """Return the training batches of all epochs."""
        return self._loader(self._train, self._feeding.seed)

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        """Return the validation batches, or nothing without validation images."""
        return [] if self._validation is None else [self._loader(self._validation, None)]

    def _loader(self, source: Pictures | Features, seed: int | None) -> DataLoader[Batch]:
        rank, world = (0, 1) if self.trainer is None else _place(self.trainer)
        batches = EpochBatches(len(source), self._feeding.batch, seed=seed, rank=rank, world=world)
        return loader(source, batches, workers=self._feeding.workers)


def kept(samples: Sequence[Sample], view: View) -> Pictures:
    """Return pictures that stay in memory if they are small."""
    return Pictures(samples, view, keep=fits_in_memory(samples, view))


def loader(
    source: Pictures | Features, batches: EpochBatches, *, workers: int = 0
) -> DataLoader[Batch]:
    """Return what yields ``source[keys]`` for the keys of each batch."""
    reading = workers if isinstance(source, Pictures) else 0
    return DataLoader(
        source,
        sampler=batches,
        batch_size=None,
        num_workers=reading,
        persistent_workers=reading > 0,
    )


def _place(trainer: lightning.Trainer) -> tuple[int, int]:
    return trainer.global_rank, trainer.world_size
