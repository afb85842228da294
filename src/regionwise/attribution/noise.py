"""Chance that depends on a seed and on an image's pixels, never on its place in a batch."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from regionwise.shapes import Inputs


def fingerprint(image: Float[Tensor, "c h w"]) -> int:
    """Return a number that tells images apart and does not depend on their place in a batch."""
    values = image.detach().double().flatten()
    weights = torch.arange(1, len(values) + 1, dtype=torch.float64, device=values.device)
    return int(torch.frac((values * torch.frac(weights * 0.6180339887)).sum().abs()) * 2**31)


def stream(*numbers: int) -> torch.Generator:
    """Return the source of random numbers that belongs to some whole numbers: a seed, a place.

    They are hashed, because torch's generator on the CPU reads 32 bits of its seed only.
    """
    digest = hashlib.blake2b(repr(numbers).encode(), digest_size=4).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "little"))


def generator_of(image: Float[Tensor, "c h w"], seed: int) -> torch.Generator:
    """Return the source of an image's random numbers: one stream per seed and picture."""
    return stream(seed, fingerprint(image))


def normal(shape: torch.Size, generator: torch.Generator) -> Float[Tensor, "*any"]:
    """Draw standard normal numbers in float64 on the CPU: the same for every device and dtype."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def ranges(inputs: Inputs) -> Float[Tensor, "n 1 1 1"]:
    """Return max - min of each image's values, what a noise level is a share of."""
    return (inputs.amax(dim=(1, 2, 3)) - inputs.amin(dim=(1, 2, 3)))[:, None, None, None]


def noisy_copies(
    inputs: Inputs, sigma: Float[Tensor, "n 1 1 1"], *, samples: int, seed: int
) -> Iterator[Inputs]:
    """Yield x + sigma e, e ~ N(0, 1), ``samples`` times; more samples continue the same series.

    Args:
        inputs: n c h w.
        sigma: standard deviation per image, in the units of the inputs.
        samples: how many copies.
        seed: of the noise.
    """
    generators = [generator_of(image, seed) for image in inputs]
    for _ in range(samples):
        noise = torch.stack([normal(inputs.shape[1:], generator) for generator in generators])
        yield inputs + sigma * noise.to(inputs)
