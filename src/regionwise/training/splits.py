"""Which training images are set aside: a validation share, or one of several folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from regionwise.errors import DataError, SettingError
from regionwise.training.samples import LabelledData, Sample, check_classes


def fold_numbers(samples: Sequence[Sample], folds: int, seed: int) -> list[int]:
    """Return for every sample the fold (0 to ``folds`` - 1) that it belongs to.

    A group lies in one fold as a whole; a sample without a group is a group of its own. The
    largest groups are placed first, each where sum_y (count_y / total_y)^2 over the folds becomes
    smallest, so that folds resemble each other in size and in their shares of the classes.

    Raises:
        DataError: there are fewer groups than folds.
    """
    members: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        members.setdefault(sample.group or f"\0{place}", []).append(place)
    if len(members) < folds:
        raise DataError(f"{len(members)} groups cannot make {folds} folds; ask for fewer")
    classes = max(sample.label for sample in samples) + 1
    labels = np.array([sample.label for sample in samples])
    totals = np.bincount(labels, minlength=classes).clip(min=1)
    order = np.random.default_rng([seed, folds]).permutation(len(members))
    groups = [list(members.values())[i] for i in order]
    filled, found = np.zeros((folds, classes)), [0] * len(samples)
    for group in sorted(groups, key=len, reverse=True):
        share = np.bincount(labels[group], minlength=classes) / totals
        chosen = int((2 * filled @ share + filled.sum(axis=1) * 1e-9).argmin())
        filled[chosen] += share
        for place in group:
            found[place] = chosen
    return found


def choose_fold(data: LabelledData, folds: int, fold: int, seed: int) -> LabelledData:
    """Return the data with one fold of the training images as its test set.

    A test set that the data come with is left alone: nobody looks at it.

    Raises:
        SettingError: the fold does not exist.
        DataError: there are too few groups, or a class has no image left to train on.
    """
    if folds < 2 or not 0 <= fold < folds:
        raise SettingError(
            f"there is no fold {fold} of {folds}; folds are 2 or more, fold counts from 0"
        )
    numbers = fold_numbers(data.train, folds, seed)
    train = tuple(s for s, n in zip(data.train, numbers, strict=True) if n != fold)
    test = tuple(s for s, n in zip(data.train, numbers, strict=True) if n == fold)
    check_classes(data.class_names, train, f"{data.source}, fold {fold} of {folds}")
    return replace(data, train=train, test=test)


def hold_out(
    samples: Sequence[Sample], share: float, seed: int, *, by_group: bool
) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Return the samples to train on, and about ``share`` of them to validate on.

    Every class gives round(share * count) of its samples, at least one and never all. With
    ``by_group`` whole groups are set aside instead: one of round(1 / share) folds. With a share
    of 0 nothing is.

    Raises:
        SettingError: the share is not in [0, 1).
        DataError: a class has a single sample, or too few groups.
    """
    if not 0 <= share < 1:
        raise SettingError(f"the validation share must be in [0, 1), not {share}; 0.1 say")
    if share == 0:
        return tuple(samples), ()
    if by_group:
        groups = len({sample.group for sample in samples})
        numbers = fold_numbers(samples, max(2, min(round(1 / share), groups)), seed)
        aside = {place for place, number in enumerate(numbers) if number == 0}
    else:
        aside = _stratified(samples, share, seed)
    train = tuple(s for place, s in enumerate(samples) if place not in aside)
    return train, tuple(s for place, s in enumerate(samples) if place in aside)


def _stratified(samples: Sequence[Sample], share: float, seed: int) -> set[int]:
    rng = np.random.default_rng([seed, 1])
    counts = Counter(sample.label for sample in samples)
    aside: set[int] = set()
    for label, count in sorted(counts.items()):
        if count < 2:
            alone = next(sample for sample in samples if sample.label == label)
            raise DataError(
                f"{alone.name!r} is the only picture of its class to train on, and one must be set"
                " aside for validation; add pictures, or give --validation 0"
            )
        places = [place for place, sample in enumerate(samples) if sample.label == label]
        wanted = min(count - 1, max(1, round(share * count)))
        aside.update(int(place) for place in rng.permutation(places)[:wanted])
    return aside
