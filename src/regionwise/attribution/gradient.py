"""The input gradient (Simonyan et al. 2014)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from jaxtyping import Float
from torch import Tensor

from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.probe import Probe
from regionwise.shapes import InputGradients

Reduce = Literal["max-abs", "sum-abs", "sum"]


def gradient_map(
    input_gradients: InputGradients, *, reduce: Reduce = "max-abs"
) -> Float[Tensor, "n t h w"]:
    """Reduce the derivative of the score by the inputs over colours, n t h w.

    Args:
        input_gradients: n t c h w.
        reduce: ``max-abs``: the largest absolute value. ``sum-abs``: their sum. ``sum``: the signed
            sum.

    Reference: Simonyan et al. 2014, Sec. 3.1.
    """
    if reduce == "sum":
        return input_gradients.sum(dim=2)
    magnitudes = input_gradients.abs()
    return magnitudes.amax(dim=2) if reduce == "max-abs" else magnitudes.sum(dim=2)


@dataclass(frozen=True)
class Gradient(Recipe):
    """The input gradient; ``reduce`` says how three colours become one number."""

    name: ClassVar[str] = "gradient"
    reduce: Reduce = "max-abs"

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the gradient of the inputs."""
        return RawMaps(gradient_map(probe.input_gradients, reduce=self.reduce))
