"""Targets: what is explained, and the scalar whose evidence is gathered.

A target is a class (its logit is explained) or a function of the logits. It may be given as

==========================  =====================================================================
``None``                    the top-1 class of each image
``5``                       class 5 for every image
``[5, 2]`` (length n)       one class per image
``[[5, 2], [1, 0]]``        several classes per image (n x t)
``"goldfinch"``             a class by name (exact, or the only name that contains it)
``["wren", "goldfinch"]``   one name per image
``"top-2"``                 the two most probable classes of each image
``Versus(5, 2)``            class 5 against class 2: the difference of their scores
a function                  logits (n y) -> scores (n,), one scalar per image
==========================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import TargetError
from regionwise.models.adapters import Link, chances
from regionwise.shapes import ChannelLogits, ChannelWeights, Logits, Scores, TargetIndices

OneClass: TypeAlias = int | str | Tensor | np.ndarray | np.generic | Sequence[int] | Sequence[str]
"""Names one class per image."""

ScoreFunction: TypeAlias = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Versus:
    """A class against another: the map of the *score difference* y_target - y_against.

    Either may be anything that names one class per image. The difference of two *maps* is
    another thing: see :meth:`regionwise.Attribution.map_difference`.
    """

    target: OneClass
    against: OneClass


TargetSpec: TypeAlias = (
    int
    | str
    | Tensor
    | np.ndarray
    | np.generic
    | Sequence[int]
    | Sequence[str]
    | Sequence[Sequence[int]]
    | ScoreFunction
    | Versus
    | None
)


@dataclass(frozen=True)
class Targets:
    """Resolved targets.

    Attributes:
        indices: classes, n t; ``None`` when something else than classes is explained.
        names: what to call each target, n x t.
        function: the score function, if one is explained.
        pair: the two classes of a score difference, n 1 each, if one is explained.
        link: what turns the network's outputs into probabilities.
    """

    indices: TargetIndices | None
    names: tuple[tuple[str, ...], ...]
    function: ScoreFunction | None = None
    pair: tuple[TargetIndices, TargetIndices] | None = None
    link: Link = "softmax"

    @property
    def count(self) -> int:
        """Targets per image, t."""
        return 1 if self.indices is None else self.indices.shape[1]

    @property
    def spec(self) -> TargetSpec:
        """What to give to explain the same again."""
        if self.pair is not None:
            return Versus(self.pair[0], self.pair[1])
        return self.indices if self.function is None else self.function

    def scores(self, logits: Logits) -> Scores:
        """Return the explained scalars, n t: the targets' logits, or the function's values.

        Raises:
            TargetError: the function does not give one score per image.
        """
        if self.function is not None:
            return _call(self.function, logits).unsqueeze(1)
        return self._of_classes(logits.unsqueeze(1))[..., 0]

    def masked_scores(self, masked_logits: ChannelLogits) -> ChannelWeights:
        """Return what each target scores under each mask, n t k: class probabilities in [0, 1].

        Values where the network gives no probabilities (see :mod:`regionwise.models.adapters`).
        For a class against another the difference of their probabilities; for a function its
        value on each mask's logits.
        """
        if self.function is not None:
            columns = [_call(self.function, column) for column in masked_logits.unbind(dim=1)]
            return torch.stack(columns, dim=1).unsqueeze(1)
        return self._of_classes(chances(masked_logits, self.link, dim=2))

    def changed_scores(self, changed_logits: ChannelLogits) -> ChannelWeights:
        """Return :meth:`scores` for each of several other answers, n m y, as n t m."""
        if self.function is not None:
            columns = [self.scores(column) for column in changed_logits.unbind(dim=1)]
            return torch.stack(columns, dim=2)
        return self._of_classes(changed_logits)

    def probabilities(self, logits: Logits) -> Scores:
        """Return the probabilities of the targets, n t; NaN where there are none.

        For a class against another, the first one's. There are none for a function's score, nor
        for what a regression answers.
        """
        asked = self.indices if self.pair is None else self.pair[0]
        if asked is None or self.link == "identity":
            return torch.full((len(logits), self.count), torch.nan).to(logits)
        return chances(logits, self.link).gather(1, asked.to(logits.device))

    def class_rows(self, rows: Float[Tensor, y * any]) -> Float[Tensor, "n t *any"]:
        """Return the rows of a linear layer that give the targets' scores.

        Raises:
            TargetError: a function is explained, which has no row.
        """
        if self.pair is not None:
            return rows[self.pair[0]] - rows[self.pair[1]]
        if self.indices is None:
            raise TargetError("this method explains classes, not a score function; give a class")
        return rows[self.indices]

    def _of_classes(self, values: Float[Tensor, "n m y"]) -> Float[Tensor, "n t m"]:
        """Pick each target's values; subtract the other class's for a difference."""

        def pick(classes: Tensor) -> Tensor:
            index = classes.to(values.device).unsqueeze(1).expand(-1, values.shape[1], -1)
            return values.gather(2, index).transpose(1, 2)

        if self.pair is not None:
            return pick(self.pair[0]) - pick(self.pair[1])
        if self.indices is None:
            raise TargetError("no target was given")
        return pick(self.indices)


def class_name(index: int, class_names: Sequence[str] | None) -> str:
    """Return the name of a class, or ``class 7`` where names are unknown."""
    return class_names[index] if class_names is not None else f"class {index}"


def _call(function: ScoreFunction, logits: Logits) -> Tensor:
    scores: Any = function(logits.clone())
    if not isinstance(scores, Tensor) or scores.shape != logits.shape[:1]:
        got = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise TargetError(
            f"the score function must turn logits {tuple(logits.shape)} into a tensor of shape"
            f" ({logits.shape[0]},), one score per image, not {got}"
        )
    return scores
