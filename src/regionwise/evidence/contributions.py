"""What each activation contributes to the score, against a map that is zero everywhere.

The contributions of an image add up to y(A) - y(0). DeepLIFT's rescale rule gives them in one pass
through the tail where the tail is made of linear layers, elementwise functions and max pooling. It
has no rule for anything else; that is seen in the sum, and the gradients along the straight path
from zero to A are integrated instead.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.errors import LayerError
from regionwise.evidence.probe import Probe
from regionwise.evidence.read_rows import only_read
from regionwise.evidence.rescale import Rescale
from regionwise.evidence.scoring import chunks
from regionwise.shapes import Gradients, Scores

Rule = Literal["rescale", "path integral"]

COMPLETE: Final = 1e-4
"""Largest relative gap at which a rule counts as exact; four roundings where those are coarser."""

_CROWDING: Final = 4
"""Points of the path crowd at zero as t = s^4: behind a normalisation the score changes there."""


@dataclass(frozen=True, eq=False)
class Contributions:
    """Contributions of every activation, and how far they can be trusted.

    Attributes:
        values: n t k i j.
        rules: how each target's were found, n x t.
        gaps: |sum of values - (y(A) - y(0))|, relative to the larger of |y(A) - y(0)| and the
            channels' absolute contributions together, n t.
    """

    values: Gradients
    rules: tuple[tuple[Rule, ...], ...]
    gaps: Scores


def contributions_of(probe: Probe, *, steps: int = 32, chunk: int = 16) -> Contributions:
    """Return DeepLIFT contributions where they add up, and integrated gradients elsewhere.

    Args:
        probe: opened with the need for the tail.
        steps: points on the path, where it is needed.
        chunk: points that run through the tail together.

    Raises:
        LayerError: the score does not depend on the layer in a differentiable way.
    """
    path = _Path(probe, steps, chunk)
    rows = [_of_image(path, index) for index in range(len(probe.inputs))]
    values, rules, gaps = zip(*rows, strict=True)
    return Contributions(torch.stack(values), rules, torch.stack(gaps))


def completeness_gap(
    channels: Float[Tensor, "*n k"], change: Float[Tensor, "*n"]
) -> Float[Tensor, "*n"]:
    """Return |sum_k alpha_k - change| / max(|change|, sum_k |alpha_k|); 0 where both are zero."""
    scale = torch.maximum(change.abs(), channels.abs().sum(dim=-1))
    return (channels.sum(dim=-1) - change).abs() / scale.where(scale > 0, 1)


@dataclass(frozen=True, eq=False)
class _Path:
    """The way from a map of zeros to the network's own: how many points, how many together."""

    probe: Probe
    steps: int
    chunk: int

    @cached_property
    def frugally(self) -> Callable[[], AbstractContextManager[Any]]:
        """How the tail is run."""
        return only_read(self.probe)


def _of_image(path: _Path, index: int) -> tuple[Tensor, tuple[Rule, ...], Tensor]:
    """Return the contributions t k i j of one image, the rule of each target, and the gaps t."""
    own = path.probe.activations[index]
    slopes, change = _multipliers(path.probe, index)
    values = slopes * own
    gaps = completeness_gap(values.sum(dim=(-2, -1)), change)
    enough = max(COMPLETE, 4 * torch.finfo(own.dtype).eps)
    incomplete = [t for t in range(len(values)) if not gaps[t] <= enough]
    if incomplete:
        values[incomplete] = own * _path_slopes(path, index, incomplete)
        found = values[incomplete].sum(dim=(-2, -1))
        gaps[incomplete] = completeness_gap(found, change[incomplete])
    rules: list[Rule] = ["rescale"] * len(values)
    for t in incomplete:
        rules[t] = "path integral"
    return values, tuple(rules), gaps


def _multipliers(probe: Probe, index: int) -> tuple[Tensor, Tensor]:
    """Return DeepLIFT's multipliers t k i j and y(A) - y(0), t."""
    own = probe.activations[index : index + 1]
    with torch.enable_grad():
        pair = torch.cat([own, torch.zeros_like(own)]).requires_grad_()
        with Rescale():
            logits = probe.tail(index, pair)
        scores = _scores(probe, index, logits)
    slopes = _slopes(probe, scores[:, 0].unbind(), pair)
    found = scores.detach()
    return torch.stack([slope[0] for slope in slopes]), found[:, 0] - found[:, 1]


def _path_slopes(path: _Path, index: int, targets: list[int]) -> Tensor:
    """Return the integral over s in [0, 1] of each target's gradient at s A, t k i j.

    By Gauss and Legendre's rule.
    """
    probe, own = path.probe, path.probe.activations[index : index + 1]
    points, shares = _points(path.steps)
    total = torch.zeros_like(own).repeat(len(targets), 1, 1, 1)
    for part in chunks(path.steps, path.chunk):
        with torch.enable_grad():
            along = (points[part].to(own)[:, None, None, None] * own).requires_grad_()
            with path.frugally():
                logits = probe.tail(index, along)
            scores = _scores(probe, index, logits)[targets].sum(dim=1)
        slopes = torch.stack(_slopes(probe, scores.unbind(), along))
        total += torch.einsum("m,tmkij->tkij", shares[part].to(own), slopes)
    return total


def _points(steps: int) -> tuple[Tensor, Tensor]:
    """Return points in (0, 1) and their shares, which add up to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    places = torch.from_numpy((nodes + 1) / 2)
    shares = torch.from_numpy(weights / 2) * _CROWDING * places ** (_CROWDING - 1)
    return places**_CROWDING, shares


def _scores(probe: Probe, index: int, logits: Float[Tensor, "m y"]) -> Float[Tensor, "t m"]:
    """Return the targets' scores of image ``index`` for other logits of it.

    A score function always sees the logits of the whole batch, one row of them exchanged.
    """
    if probe.targets.indices is not None:
        return logits[:, probe.targets.indices[index]].T
    rows = []
    for row in logits:
        whole = torch.cat([probe.logits[:index], row[None], probe.logits[index + 1 :]])
        rows.append(probe.targets.scores(whole)[index])
    return torch.stack(rows, dim=1)


def _slopes(probe: Probe, scores: tuple[Tensor, ...], source: Tensor) -> list[Tensor]:
    """Differentiate each score by the changed activations."""
    slopes = []
    for rest, score in zip(reversed(range(len(scores))), scores, strict=True):
        if not score.requires_grad:
            raise LayerError(_unreachable(probe))
        found = torch.autograd.grad(score, source, retain_graph=rest > 0, allow_unused=True)
        if found[0] is None:
            raise LayerError(_unreachable(probe))
        slopes.append(found[0])
    return slopes


def _unreachable(probe: Probe) -> str:
    return (
        f"the score does not depend on layer {probe.layer!r} in a differentiable way;"
        " choose a layer on the way to the logits, or a differentiable score"
    )
