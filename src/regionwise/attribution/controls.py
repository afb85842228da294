"""Controls: maps that do not know the network, for every number to be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own abbreviation

from regionwise.attribution.noise import fingerprint
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import SettingError
from regionwise.evidence.probe import Probe
from regionwise.shapes import Inputs


def random_map(shape: tuple[int, int], *, seed: int, like: Tensor) -> Float[Tensor, "i j"]:
    """Draw uniform noise in [0, 1) of shape i j, the same for a seed on every device."""
    generator = torch.Generator().manual_seed(seed % 2**63)
    return torch.rand(shape, generator=generator, dtype=torch.float64).to(like)


def centre_map(
    shape: tuple[int, int], *, width: float = 0.35, like: Tensor
) -> Float[Tensor, "i j"]:
    """Return exp(-r^2 / (2 width^2)), r = distance from the middle in half diagonals (0 to 1)."""
    rows, columns = (
        (torch.arange(size, dtype=torch.float64) + 0.5) / size * 2 - 1 for size in shape
    )
    squared = (rows[:, None].square() + columns[None, :].square()) / 2
    return torch.exp(-squared / (2 * width**2)).to(like)


def edges_map(inputs: Inputs) -> Float[Tensor, "n h w"]:
    """Return the gradient magnitude of the mean over colours, by Sobel's filter, n h w."""
    grey = inputs.mean(dim=1, keepdim=True)
    smooth, slope = inputs.new_tensor([1.0, 2.0, 1.0]) / 4, inputs.new_tensor([-1.0, 0.0, 1.0]) / 2
    kernels = torch.stack([torch.outer(smooth, slope), torch.outer(slope, smooth)]).unsqueeze(1)
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernels).square().sum(dim=1).sqrt()


def _for_all_targets(maps: Float[Tensor, "n i j"], probe: Probe) -> RawMaps:
    return RawMaps(maps.unsqueeze(1).expand(-1, probe.targets.count, -1, -1).contiguous())


@dataclass(frozen=True)
class Random(Recipe):
    """Uniform noise on the layer's grid; an image's noise depends on the seed and its pixels."""

    name: ClassVar[str] = "random"
    seed: int = 0

    def __call__(self, probe: Probe) -> RawMaps:
        """Draw one map per image, whatever batch it comes in."""
        cells = (probe.activations.shape[2], probe.activations.shape[3])
        maps = [
            random_map(cells, seed=self.seed + fingerprint(image), like=probe.activations)
            for image in probe.inputs
        ]
        return _for_all_targets(torch.stack(maps), probe)


@dataclass(frozen=True)
class Centre(Recipe):
    """A Gaussian bump in the middle; ``width`` is its standard deviation in half diagonals."""

    name: ClassVar[str] = "centre"
    width: float = 0.35

    def __post_init__(self) -> None:
        """Refuse a bump without width."""
        super().__post_init__()
        if not self.width > 0:
            raise SettingError(f"setting 'width' of 'centre' must be positive, not {self.width}")

    def __call__(self, probe: Probe) -> RawMaps:
        """Give every image the same bump on the layer's grid."""
        cells = (probe.activations.shape[2], probe.activations.shape[3])
        bump = centre_map(cells, width=self.width, like=probe.activations)
        return _for_all_targets(bump.expand(len(probe.inputs), -1, -1), probe)


@dataclass(frozen=True)
class Edges(Recipe):
    """The image's own edges."""

    name: ClassVar[str] = "edges"

    def __call__(self, probe: Probe) -> RawMaps:
        """Filter the inputs."""
        return _for_all_targets(edges_map(probe.inputs), probe)
