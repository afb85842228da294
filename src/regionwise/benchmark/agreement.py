"""How far methods agree: rank correlation of their maps, picture by picture, and its mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from regionwise.metrics.similarity import average_ranks


@dataclass(frozen=True, eq=False)
class Agreement:
    """Mean correlations between methods, those that are alike side by side.

    Attributes:
        methods: in the order of the rows and columns.
        mean: over pictures; NaN where two methods share none.
        counts: pictures that a mean is over: neither map is constant.
        pictures: how many there were.
    """

    methods: tuple[str, ...]
    mean: Float[np.ndarray, "a a"]
    counts: Int[np.ndarray, "a a"]
    pictures: int


def rank_correlations(maps: Float[Tensor, "a h w"]) -> Float[np.ndarray, "a a"]:
    """Return Spearman's rank correlation over pixels of all pairs; NaN where a map is constant.

    Equal values share the mean of their ranks.
    """
    ranks = average_ranks(maps.detach().double().cpu().flatten(1))
    centred = ranks - ranks.mean(dim=1, keepdim=True)
    lengths = centred.norm(dim=1, keepdim=True)
    unit = torch.where(lengths > 0, centred / lengths, torch.nan)
    found: np.ndarray = (unit @ unit.T).clamp(-1, 1).numpy()
    return found


@dataclass(frozen=True, eq=False)
class Correlated:
    """The rank correlations of all pairs of methods on one picture."""

    methods: tuple[str, ...]
    alike: Float[np.ndarray, "a a"]


def correlated(maps: Mapping[str, Float[Tensor, "h w"]]) -> Correlated:
    """Return how far the maps of one picture agree, by method."""
    return Correlated(tuple(maps), rank_correlations(torch.stack(list(maps.values()))))


def agreement_of(pictures: Sequence[Correlated]) -> Agreement | None:
    """Return the mean over pictures; ``None`` with fewer than two methods."""
    names = list(dict.fromkeys(name for one in pictures for name in one.methods))
    if len(names) < 2:
        return None
    total, counts = np.zeros((len(names),) * 2), np.zeros((len(names),) * 2, dtype=np.int64)
    for one in pictures:
        places = [names.index(name) for name in one.methods]
        here = np.ix_(places, places)
        counts[here] += np.isfinite(one.alike)
        total[here] += np.nan_to_num(one.alike)
    mean = np.where(counts > 0, total / np.maximum(counts, 1), np.nan)
    order = by_likeness(mean)
    here = np.ix_(order, order)
    return Agreement(tuple(names[i] for i in order), mean[here], counts[here], len(pictures))


def by_likeness(alike: Float[np.ndarray, "a a"]) -> list[int]:
    """Return an order in which what is alike stands together.

    The two groups with the highest mean likeness are joined until one is left (average linkage);
    of the four ways to put two groups in line, the one whose ends are most alike is taken. NaN is
    less alike than anything.

    Reference: Sokal and Michener 1958 (UPGMA); the turning is ours.
    """
    known = np.where(np.isnan(alike), -2.0, alike)
    groups = [[index] for index in range(len(known))]
    while len(groups) > 1:
        pairs = [(a, b) for b in range(len(groups)) for a in range(b)]
        a, b = max(pairs, key=lambda p: known[np.ix_(groups[p[0]], groups[p[1]])].mean())
        second = groups.pop(b)
        groups[a] = _in_line(groups[a], second, known)
    return groups[0]


def _in_line(first: list[int], second: list[int], alike: np.ndarray) -> list[int]:
    ways = [(x, y) for x in (first, first[::-1]) for y in (second, second[::-1])]
    left, right = max(ways, key=lambda way: alike[way[0][-1], way[1][0]])
    return [*left, *right]
