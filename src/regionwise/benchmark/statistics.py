"""Statistics of numbers per image: intervals, paired tests, corrections, win rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from regionwise.metrics.card import Direction

Numbers = NDArray[np.float64]

_SLACK = 1e-12
"""Means of flipped differences that are as large up to rounding count as equal."""


def bootstrap_mean(
    values: Numbers, *, seed: int, draws: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of the mean over images; NaN values are no images' numbers.

    Images are drawn with replacement, ``draws`` times. NaN with fewer than two numbers, or with an
    infinite one.

    Reference: Efron 1979.
    """
    known = values[~np.isnan(values)]
    if len(known) < 2 or not np.isfinite(known).all():
        return float("nan"), float("nan")
    rng = np.random.default_rng([seed, 1])
    weights = rng.multinomial(len(known), np.full(len(known), 1 / len(known)), size=draws)
    return _percentiles(weights @ known / len(known), level)


def bootstrap_any(
    count: int,
    answer: Callable[[NDArray[np.int64]], float],
    *,
    seed: int,
    draws: int = 200,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of any answer made of ``count`` images, given by index."""
    if count < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng([seed, 2])
    found = [answer(rng.integers(0, count, count)) for _ in range(draws)]
    return _percentiles(np.array(found), level)


def bootstrap_seeds(
    values: Numbers, *, seed: int, draws: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Return the interval of the mean over seeds of the means over images; ``values`` is s n.

    Each draw takes seeds with replacement, and images with replacement within each of them. As all
    seeds see the same images, the images drawn are the same for all seeds of a draw: drawn apart,
    what is peculiar to an image would average out over seeds as if there were more images. NaN
    values are no numbers. NaN with fewer than two seeds or images, or with an infinite number.

    Reference: Owen 2007, The pigeonhole bootstrap.
    """
    known = ~np.isnan(values)
    if min(values.shape) < 2 or not np.isfinite(values[known]).all():
        return float("nan"), float("nan")
    seeds, images = values.shape
    rng = np.random.default_rng([seed, 4])
    times = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    weights = rng.multinomial(images, np.full(images, 1 / images), size=draws)
    with np.errstate(invalid="ignore"):  # a draw in which a seed has no number
        means = (weights @ np.where(known, values, 0).T) / (weights @ known.T)
    return _percentiles(np.where(times > 0, times * means, 0).sum(axis=1) / seeds, level)


def bootstrap_any_seeds(
    seeds: int,
    count: int,
    answer: Callable[[int, NDArray[np.int64]], float],
    *,
    seed: int,
    draws: int = 200,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the same interval of any answer made of a seed and of images, given by index."""
    if min(seeds, count) < 2:
        return float("nan"), float("nan")
    rng = np.random.default_rng([seed, 5])
    found = []
    for _ in range(draws):
        picks, places = rng.integers(0, seeds, seeds), rng.integers(0, count, count)
        own = {int(pick): answer(int(pick), places) for pick in set(picks.tolist())}
        found.append(np.mean([own[int(pick)] for pick in picks]))
    return _percentiles(np.array(found), level)


def paired_test(differences: Numbers, *, seed: int, draws: int = 9999, side: str = "both") -> float:
    """Return the p-value of a mean of paired differences by flipping their signs.

    If the two methods were exchangeable on every image, each difference could have had the other
    sign. p = (1 + flips with a mean at least as far from 0) / (1 + draws); ``side="greater"``
    counts means at least as large. 1 without a difference.

    Reference: Fisher 1935; the +1 is that of Phipson and Smyth 2010.
    """
    known = differences[np.isfinite(differences)]
    if not len(known) or not known.any():
        return 1.0
    rng = np.random.default_rng([seed, 3])
    signs = rng.integers(0, 2, (draws, len(known)), dtype=np.int8)
    means = (signs @ (2 * known) - known.sum()) / len(known)
    met = known.mean()
    slack = _SLACK * np.abs(known).max()
    if side == "greater":
        extreme = int((means >= met - slack).sum())
    else:
        extreme = int((np.abs(means) >= abs(met) - slack).sum())
    return (1 + extreme) / (1 + draws)


def holm(values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, in their order.

    Reference: Holm 1979.
    """
    order = np.argsort(values, kind="stable")
    found = np.ones(len(values))
    running = 0.0
    for place, index in enumerate(order):
        running = max(running, min(1.0, (len(values) - place) * values[index]))
        found[index] = running
    return [float(value) for value in found]


def snapped(table: Numbers, *, tolerance: float = 1e-5) -> Numbers:
    """Return methods' numbers (a n) with those of an image that differ by rounding made equal.

    Methods that coincide in theory differ in the last digits, always in the same direction; as
    differences they would win, and be significant. In rising order, a number that lies within
    ``tolerance`` of the one before, relative to it, becomes that one.
    """
    order = np.argsort(table, axis=0, kind="stable")
    rising = np.take_along_axis(table, order, axis=0)
    for row in range(1, len(rising)):
        before = rising[row - 1]
        with np.errstate(invalid="ignore"):  # of two infinite numbers, which stay as they are
            near = np.abs(rising[row] - before) <= tolerance * np.abs(before) + tolerance**2
        rising[row] = np.where(near, before, rising[row])
    found = np.empty_like(table)
    np.put_along_axis(found, order, rising, axis=0)
    return found


def win_rates(table: Mapping[str, Numbers], direction: Direction) -> dict[str, float]:
    """Return how often a method is better than another one, over all others and all images.

    A tie is half a win. Images on which one of the two has no number are left out. NaN if neither
    direction is better.
    """
    if direction == "none":
        return dict.fromkeys(table, float("nan"))
    sign = -1.0 if direction == "lower" else 1.0
    found = {}
    for name, own in table.items():
        shares = []
        for other, values in table.items():
            both = ~(np.isnan(own) | np.isnan(values))
            if other != name and both.any():
                better = sign * own[both] > sign * values[both]
                shares.append(float((better + 0.5 * (own[both] == values[both])).mean()))
        found[name] = float(np.mean(shares)) if shares else float("nan")
    return found


def coinciding(
    signatures: Mapping[str, Mapping[str, Numbers]], *, tolerance: float = 1e-4
) -> list[tuple[str, ...]]:
    """Return groups of methods whose numbers agree wherever both have some.

    ``signatures`` are, by method, its numbers by metric and image; they agree if they differ by at
    most ``tolerance``, absolutely or relative to the larger. Groups are of two or more.
    """
    groups: list[list[str]] = []
    for name in signatures:
        for group in groups:
            if _agree(signatures[group[0]], signatures[name], tolerance):
                group.append(name)
                break
        else:
            groups.append([name])
    return [tuple(group) for group in groups if len(group) > 1]


def _agree(one: Mapping[str, Numbers], other: Mapping[str, Numbers], tolerance: float) -> bool:
    shared = [name for name in one if name in other]
    return bool(shared) and all(
        np.allclose(one[n], other[n], rtol=tolerance, atol=tolerance, equal_nan=True)
        for n in shared
    )


def _percentiles(values: Numbers, level: float) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
