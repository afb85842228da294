"""The limit: a plain forward pass in the best layout and chunk found in this run."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

import torch
from torch import Tensor, nn

from bench.measuring import wait
from bench.networks import network, pictures

CHUNKS = (4, 8, 16)
IMAGES = 16


@dataclass(frozen=True)
class Limit:
    """A forward pass of a batch, cut into chunks.

    Attributes:
        model: the network in its layout and dtype.
        channels_last: the layout of weights and images.
        chunk: images per pass.
        autocast: in bfloat16 by autocast, not by its weights.
    """

    model: nn.Module
    channels_last: bool
    chunk: int
    autocast: bool

    def __call__(self, inputs: Tensor) -> None:
        """Run the images through, and keep nothing."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        device = inputs.device.type
        dtype = next(self.model.parameters()).dtype
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=self.autocast):
            for part in inputs.to(dtype, memory_format=layout).split(self.chunk):
                self.model(part)

    def __str__(self) -> str:
        how = " by autocast" if self.autocast else ""
        layout = "channels_last" if self.channels_last else "contiguous"
        dtype = "bfloat16" if self.autocast else str(next(self.model.parameters()).dtype)[6:]
        return f"{dtype}{how}, {layout}, chunks of {self.chunk}"


@cache
def limit_of(name: str, dtype: str, size: int, device: str, tries: int = 2) -> Limit:
    """Return the fastest way of a network of torchvision, found by trying all."""
    return best(network(name, device), dtype, pictures(IMAGES, size, device), tries)


def best(model: nn.Module, dtype: str, inputs: Tensor, tries: int = 2) -> Limit:
    """Try layouts, chunks and ways to the dtype; return what took the least time."""
    return min(_ways(model, dtype), key=lambda way: _seconds(way, inputs, tries))


def _ways(model: nn.Module, dtype: str) -> Iterator[Limit]:
    half = dtype == "bfloat16"
    for autocast, channels_last in product([False, True] if half else [False], [False, True]):
        layout = torch.channels_last if channels_last else torch.contiguous_format
        own = copy.deepcopy(model).requires_grad_(requires_grad=False)
        own = own.to(torch.bfloat16 if half and not autocast else torch.float32)
        own = own.to(memory_format=layout)
        for chunk in CHUNKS:
            yield Limit(own, channels_last, chunk, autocast)


def _seconds(way: Limit, inputs: Tensor, tries: int) -> float:
    way(inputs[: way.chunk])
    found = []
    for _ in range(tries):
        wait()
        started = time.perf_counter()
        way(inputs)
        wait()
        found.append(time.perf_counter() - started)
    return min(found)
