"""SmoothGrad (Smilkov et al. 2017) and VarGrad (Adebayo et al. 2018): gradients under noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from regionwise.attribution.blur import blurred_maps
from regionwise.attribution.gradient import Reduce, gradient_map
from regionwise.attribution.noise import noisy_copies, ranges
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import SettingError
from regionwise.evidence.needs import INPUT_GRADIENTS
from regionwise.evidence.probe import Probe
from regionwise.evidence.versions import each_version
from regionwise.shapes import InputGradients

SmoothVariant = Literal["paper", "squared", "calm"]
VarVariant = Literal["paper", "calm"]

_LEVELS = {"paper": 0.15, "squared": 0.15, "calm": 0.25}


def mean_and_variance(samples: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and population variance E[s^2] - E[s]^2, one sample at a time (Welford 1962).

    Raises:
        ValueError: there is no sample.
    """
    count, mean, spread = 0, torch.zeros(()), torch.zeros(())
    for count, sample in enumerate(samples, start=1):
        away = sample - mean.to(sample)
        mean = mean.to(sample) + away / count
        spread = spread.to(sample) + away * (sample - mean)
    if count == 0:
        raise ValueError("the mean of no samples does not exist")
    return mean, spread / count


def sampled_gradients(
    probe: Probe, *, level: float, samples: int, seed: int
) -> Iterator[InputGradients]:
    """Yield the gradient of the inputs under noise of standard deviation level (max x - min x)."""
    sigma = level * ranges(probe.inputs)
    copies = noisy_copies(probe.inputs, sigma, samples=samples, seed=seed)
    needs = frozenset({INPUT_GRADIENTS})
    for (found,) in each_version(probe, copies, needs, lambda other: (other.input_gradients,)):
        yield found


@dataclass(frozen=True)
class SmoothGrad(Recipe):
    """SmoothGrad: the mean gradient over noisy copies.

    Attributes:
        samples: noisy copies.
        level: noise as a share of the image's range; by default 0.15, for ``calm`` 0.25.
        reduce: how three colours become one number.
        variant: ``paper``: mean gradient, then reduced. ``squared``: mean squared gradient, the
            default of the authors' code. ``calm``: each gradient is reduced before the mean, as
            Kim et al. 2021 ran it.
        blur: standard deviation in pixels of a Gaussian over the map, 0 for none.
        seed: of the noise.
    """

    name: ClassVar[str] = "smooth-grad"
    samples: int = field(default=50, metadata={"at_least": 1})
    level: float | None = None
    reduce: Reduce = "max-abs"
    variant: SmoothVariant = "paper"
    blur: float = field(default=0.0, metadata={"at_least": 0, "planar": True})
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a negative noise level."""
        super().__post_init__()
        check_level(self.name, self.level)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the gradient of the inputs of every copy."""
        level = _LEVELS[self.variant] if self.level is None else self.level
        found = sampled_gradients(probe, level=level, samples=self.samples, seed=self.seed)
        if self.variant == "calm":
            mean, _ = mean_and_variance(gradient_map(g, reduce=self.reduce) for g in found)
            return RawMaps(blurred_maps(mean, self.blur))
        squared = self.variant == "squared"
        mean, _ = mean_and_variance(g.square() if squared else g for g in found)
        return RawMaps(blurred_maps(gradient_map(mean, reduce=self.reduce), self.blur))


@dataclass(frozen=True)
class VarGrad(Recipe):
    """VarGrad: the variance of the gradient over noisy copies.

    Attributes:
        samples: noisy copies.
        level: noise as a share of the image's range; by default 0.15, for ``calm`` 0.25.
        reduce: how three colours become one number.
        variant: ``paper``: variance of each colour's gradient, then reduced. ``calm``: variance of
            the reduced gradients, as Kim et al. 2021 ran it.
        blur: standard deviation in pixels of a Gaussian over the map, 0 for none.
        seed: of the noise.
    """

    name: ClassVar[str] = "var-grad"
    samples: int = field(default=50, metadata={"at_least": 2})
    level: float | None = None
    reduce: Reduce = "max-abs"
    variant: VarVariant = "paper"
    blur: float = field(default=0.0, metadata={"at_least": 0, "planar": True})
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a negative noise level."""
        super().__post_init__()
        check_level(self.name, self.level)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the gradient of the inputs of every copy."""
        level = _LEVELS[self.variant] if self.level is None else self.level
        found = sampled_gradients(probe, level=level, samples=self.samples, seed=self.seed)
        if self.variant == "calm":
            _, variance = mean_and_variance(gradient_map(g, reduce=self.reduce) for g in found)
            return RawMaps(blurred_maps(variance, self.blur))
        _, variance = mean_and_variance(found)
        return RawMaps(blurred_maps(gradient_map(variance, reduce=self.reduce), self.blur))


def check_level(method: str, level: float | None) -> None:
    """Refuse a negative noise level.

    Raises:
        SettingError: names the value.
    """
    if level is not None and not level >= 0:
        raise SettingError(f"setting 'level' of {method!r} cannot be {level}; give 0 or more")
