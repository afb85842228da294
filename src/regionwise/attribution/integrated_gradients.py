"""Integrated gradients (Sundararajan et al. 2017), and what CALM ran under this name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from regionwise.attribution.blur import blurred_maps
from regionwise.attribution.gradient import Reduce, gradient_map
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import SettingError
from regionwise.evidence.needs import INPUT_GRADIENTS
from regionwise.evidence.probe import Probe
from regionwise.evidence.versions import each_version
from regionwise.shapes import InputGradients, Inputs, Scores

Rule = Literal["gauss-legendre", "midpoint", "right"]
Variant = Literal["paper", "calm"]


def path_rule(steps: int, rule: Rule = "gauss-legendre") -> list[tuple[float, float]]:
    """Return points on [0, 1] and their weights, which sum to one.

    ``right`` is the paper's sum, k / m for k = 1 ... m; ``midpoint`` takes (k - 1/2) / m;
    ``gauss-legendre`` integrates polynomials up to degree 2 m - 1 exactly.

    Reference: Sundararajan et al. 2017, Eq. 3.
    """
    if rule == "gauss-legendre":
        points, weights = np.polynomial.legendre.leggauss(steps)
        return [(float((1 + x) / 2), float(w / 2)) for x, w in zip(points, weights, strict=True)]
    back = 0.5 if rule == "midpoint" else 0.0
    return [((k - back) / steps, 1 / steps) for k in range(1, steps + 1)]


def integrated_gradients(
    inputs: Inputs, baseline: float, mean_gradients: InputGradients
) -> InputGradients:
    """Multiply the mean gradient along the path by its length: (x - b) o mean dy/dx, n t c h w.

    Its sum is y(x) - y(b), up to the error of the rule (completeness).

    Reference: Sundararajan et al. 2017, Eq. 1.
    """
    return (inputs - baseline).unsqueeze(1) * mean_gradients


@dataclass(frozen=True)
class IntegratedGradients(Recipe):
    """Integrated gradients along the straight line from a constant image to the input.

    Attributes:
        steps: points on the path.
        rule: see :func:`path_rule`.
        baseline: the constant image, in the units of the inputs.
        reduce: how three colours become one number; ``sum`` keeps completeness.
        variant: ``paper``; ``calm``: what Kim et al. 2021 ran, 1 / m times the sum over k = 0 ... m
            of the largest absolute gradient over colours at k / m of the way, not multiplied by the
            input. ``rule`` and ``reduce`` are fixed there.
        blur: standard deviation in pixels of a Gaussian over the map, 0 for none.
    """

    name: ClassVar[str] = "integrated-gradients"
    steps: int = field(default=50, metadata={"at_least": 1})
    rule: Rule = "gauss-legendre"
    baseline: float = 0.0
    reduce: Reduce = "sum"
    variant: Variant = "paper"
    blur: float = field(default=0.0, metadata={"at_least": 0, "planar": True})

    def __post_init__(self) -> None:
        """Refuse settings that the variant would not use."""
        super().__post_init__()
        if self.variant == "calm" and (self.rule, self.reduce) != ("gauss-legendre", "sum"):
            raise SettingError(
                "'integrated-gradients:variant=calm' brings its own rule and reduction;"
                " leave 'rule' and 'reduce' out"
            )

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the gradient of the inputs at every point of the path."""
        if self.variant == "calm":
            points = [(k / self.steps, 1 / self.steps) for k in range(self.steps + 1)]
            total = self._along(probe, points, "max-abs")
            return RawMaps(blurred_maps(total, self.blur))
        total = self._along(probe, path_rule(self.steps, self.rule), None)
        product = integrated_gradients(probe.inputs, self.baseline, total)
        maps = blurred_maps(gradient_map(product, reduce=self.reduce), self.blur)
        return RawMaps(maps, {"completeness_gap": self._gap(probe, product)})

    def _along(
        self, probe: Probe, points: list[tuple[float, float]], reduce: Reduce | None
    ) -> Tensor:
        """Return the weighted sum of gradients along the path, reduced at each point if asked."""
        away = probe.inputs - self.baseline
        places = (self.baseline + share * away for share, _ in points)
        needs = frozenset({INPUT_GRADIENTS})
        found = each_version(probe, places, needs, lambda other: (other.input_gradients,))
        total = torch.zeros((), dtype=probe.inputs.dtype, device=probe.inputs.device)
        for (_, weight), (gradients,) in zip(points, found, strict=True):
            step = gradients if reduce is None else gradient_map(gradients, reduce=reduce)
            total = total + weight * step
        return total

    def _gap(self, probe: Probe, product: InputGradients) -> Scores:
        """Return the sum of the attributions less y(x) - y(b): the error of the rule."""
        start = torch.full_like(probe.inputs, self.baseline)
        with probe.again(start, frozenset()) as other:
            return product.sum(dim=(2, 3, 4)) - (probe.scores - other.scores)
