"""Kriging (Matheron 1963): what masks score, guessed from the scores of masks that look alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

REACH: Final = 3.0
"""How far a score tells of others, as a share of the mean squared distance of two masks."""

NUGGET: Final = 0.03
"""What of a score tells nothing of others, however near: its variance, as a share."""


@dataclass(frozen=True, eq=False)
class Kriging:
    """What the scores of b masks say of the scores of k: all of it is linear in the scores.

    Attributes:
        covariance: of the scores of any two masks, in units of a variance that the scores give.
        misses: turns scores into what each is above the guess made from the b - 1 others.
        precision: one over the variance of each of these, in the same units.
        guesses: turns scores into a guess for every mask, which is the mean of b guesses, each made
            without one of the scores. A score that is known is guessed to be just that.
    """

    covariance: Float[Tensor, "k k"]
    misses: Float[Tensor, "b b"]
    precision: Float[Tensor, " b"]
    guesses: Float[Tensor, "k b"]

    def scale(self, scores: Float[Tensor, "t b"]) -> tuple[Tensor, Tensor]:
        """Return the variance that is a unit of :attr:`covariance`, and its degrees of freedom, t.

        Misses of equal variance, as a bell has them, give it 2 b / (3 - 1) = b degrees; a kurtosis
        above 3 leaves fewer. At most b - 1, as a level was fitted, and at least 1.
        """
        squares = (scores @ self.misses.T).square() * self.precision
        scale, most = squares.mean(dim=1), len(self.precision) - 1
        tails = (squares.square().mean(dim=1) / scale.square() - 1).clamp(min=0)
        known = (2 * len(self.precision) / tails).nan_to_num(nan=most, posinf=most)
        return scale, known.clamp(1, most)


def covariances(masks: Float[Tensor, "k z"]) -> Float[Tensor, "k k"]:
    """Return (1 + r) exp(-r) of any two masks, r^2 = 3 d^2 / (REACH mean d^2), d their distance.

    Plus NUGGET for a mask with itself.

    Reference: Matern 1960, smoothness 3/2.
    """
    products = masks @ masks.T
    squares = products.diagonal()
    distances = (squares[:, None] + squares[None] - 2 * products).clamp(min=0)
    # of equal masks rounding is all that is left, and that must not become the unit
    least = 1e-12 * squares.mean() + torch.finfo(masks.dtype).tiny
    r = (3 / REACH * distances / torch.maximum(distances.mean(), least)).sqrt()
    return (1 + r) * (-r).exp() + NUGGET * torch.eye(len(masks)).to(masks)


def krige(masks: Float[Tensor, "k z"], places: Int[Tensor, " b"]) -> Kriging:
    """Fit an unknown level and :func:`covariances` to the scores of the masks at ``places``.

    Nothing but the masks decides the fit: guesses and misses are linear in the scores. The guess
    without score k is the one with it, less what score k adds to it times its miss.

    Args:
        masks: all of them, of z cells.
        places: of those that are scored; two at least.

    Reference: Dubrule 1983 (one fit gives every guess without one).
    """
    covariance, count = covariances(masks), len(places)
    level = torch.ones(len(masks), 1).to(masks)
    known = torch.cat([covariance[:, places], level], dim=1)
    corner = torch.cat([level[places].T, torch.zeros(1, 1).to(masks)], dim=1)
    inverse = torch.linalg.inv(torch.cat([known[places], corner]))[:, :count]
    precision = inverse[:count].diagonal()
    misses = inverse[:count] / precision[:, None]
    added = known @ inverse
    return Kriging(covariance, misses, precision, added - added @ misses / count)
