"""Input times gradient (Shrikumar et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from regionwise.attribution.gradient import Reduce, gradient_map
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.probe import Probe
from regionwise.shapes import InputGradients, Inputs


def input_x_gradient(inputs: Inputs, input_gradients: InputGradients) -> InputGradients:
    """Multiply the gradient by the input, entry by entry: x o dy/dx, n t c h w.

    For a network that is linear, up to a bias, its sum is the score less the bias.

    Reference: Shrikumar et al. 2016, Sec. 3.
    """
    return inputs.unsqueeze(1) * input_gradients


@dataclass(frozen=True)
class InputXGradient(Recipe):
    """Input times gradient; ``reduce`` says how three colours become one number."""

    name: ClassVar[str] = "input-x-gradient"
    reduce: Reduce = "sum"

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the gradient of the inputs."""
        product = input_x_gradient(probe.inputs, probe.input_gradients)
        return RawMaps(gradient_map(product, reduce=self.reduce))
