"""Score-CAM from the scores of a few channels: an unbiased estimate with a standard error.

Channels are drawn at random, large ones more often. What the others score is guessed by kriging
over their masks, and what the guesses miss at the drawn channels, each guessed without itself,
corrects them: the expectation of every channel's weight over the draws is its true score, however
bad the guesses are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regionwise.attribution.kriging import krige
from regionwise.errors import SettingError


@dataclass(frozen=True, eq=False)
class Estimate:
    """Estimated weights of the channels of one image: linear in the scores of those drawn.

    Attributes:
        weights: whose expectation is what the channels score.
        scale: variance of a score around its guess, per target.
        degrees: degrees of freedom of ``scale``.
        channels: drawn.
        shares: of each drawn channel's score in every weight.
        covariance: of all scores, in units of ``scale``.
    """

    weights: Float[Tensor, "t k"]
    scale: Float[Tensor, " t"]
    degrees: Float[Tensor, " t"]
    channels: Int[Tensor, " b"]
    shares: Float[Tensor, "k b"]
    covariance: Float[Tensor, "k k"]

    def standard_error(self, summands: Float[Tensor, "k p q"]) -> Float[Tensor, "t p q"]:
        """Return the standard error of sum_k weight_k S_k in every cell.

        The error there, sum_k (weight_k - score_k) S_k, is linear in all scores: its variance
        follows from their covariance.
        """
        rows = summands.flatten(1)
        error = (-rows).index_add(0, self.channels, self.shares.T @ rows)
        unit = (error * (self.covariance @ error)).sum(dim=0).clamp(min=0)
        return (self.scale[:, None] * unit).sqrt().reshape(-1, *summands.shape[1:])


def draw_channels(
    sizes: Float[Tensor, " k"], budget: int, generator: torch.Generator
) -> Int[Tensor, " b"]:
    """Draw a set S of channels with a probability in proportion to prod_(k in S) sizes_k.

    Channels without size are never drawn unless all others are. Each channel takes part by itself,
    with odds in proportion to its size, until as many do as are wanted.

    Args:
        sizes: not negative, k.
        budget: how many; at most k.
        generator: source of the random numbers.

    Reference: Hajek 1964 (conditional Poisson sampling).
    """
    live = int((sizes > 0).sum())
    if live <= budget:
        return (sizes == 0).to(torch.int8).sort(stable=True).indices[:budget].sort().values
    chances = _chances(sizes, budget)
    while True:
        drawn = torch.rand(len(sizes), generator=generator, dtype=torch.float64) < chances
        if int(drawn.sum()) == budget:
            return drawn.nonzero().flatten()


def estimate_weights(
    scores: Float[Tensor, "t b"],
    channels: Int[Tensor, " b"],
    sizes: Float[Tensor, " k"],
    masks: Float[Tensor, "k z"],
) -> Estimate:
    """Estimate what all k channels score from the scores of those that were drawn.

    Every channel weighs its guess; a drawn one also its miss / (b q), q = s / (s + W), where s is
    its size and W the sum of the sizes that were not drawn. This is the mean of b estimates. Each
    puts one drawn channel back among those that were not, of which it is drawn with probability q,
    and guesses without it. So each is unbiased, and the mean is.

    Args:
        scores: of the drawn channels.
        channels: drawn by :func:`draw_channels`.
        sizes: by which they were drawn.
        masks: of all channels, z cells each.

    Reference: Des Raj 1956 (estimates given the rest of the sample), Sarndal et al. 1992, Ch. 6
    (differences from guesses).
    """
    kriging, own = krige(masks, channels), sizes[channels]
    chance = own / (own + sizes.sum() - own.sum())
    missed = kriging.misses / (len(channels) * chance)[:, None]
    shares = kriging.guesses.index_add(0, channels, missed)
    scale, degrees = kriging.scale(scores)
    return Estimate(scores @ shares.T, scale, degrees, channels, shares, kriging.covariance)


def half_width(
    standard_error: Float[Tensor, "n t *z"], degrees: Float[Tensor, "n t"], level: float = 0.95
) -> Float[Tensor, "n t *z"]:
    """Return how far an interval reaches to either side: t times the standard error.

    |T| < t with probability ``level`` for a T of Student's distribution: t = sqrt(v) tan(a), where
    the density of the angle a in (0, pi / 2) is in proportion to cos(a)^(v - 1).

    Args:
        standard_error: n t i j.
        degrees: of freedom v, n t; 1 at least.
        level: of the interval.

    Raises:
        SettingError: a level outside of (0, 1).
    """
    if not 0 < level < 1:
        raise SettingError(f"the level of an interval lies between 0 and 1, it is not {level}")
    angles = torch.linspace(0, math.pi / 2, 10001, dtype=torch.float64)
    powers = degrees.detach().cpu().double()[..., None] - 1
    below = torch.cumulative_trapezoid(angles.cos() ** powers, angles)
    place = (below < level * below[..., -1:]).sum(dim=-1)
    factor = degrees.sqrt() * angles[1:][place].tan().to(degrees)
    return factor.reshape(*factor.shape, *[1] * (standard_error.dim() - 2)) * standard_error


def _chances(sizes: Float[Tensor, " k"], budget: int) -> Float[Tensor, " k"]:
    """Return p with odds p / (1 - p) in proportion to the sizes, whose sum is the budget."""
    logs = sizes.double().log()
    low, high = -logs.max() - 50, 50 - logs[sizes > 0].min()
    for _ in range(100):
        middle = (low + high) / 2
        if (logs + middle).sigmoid().sum() < budget:
            low = middle
        else:
            high = middle
    return (logs + high).sigmoid()
