"""Score-CAM and its relatives as their authors' code runs them: a loop over channels.

For each channel: upsample it, make a mask of it, run the network on one masked image, take the
probability of the class. UnionCAM has no published code; its region map is Score-CAM's.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from bench.plain import evidence

Plane = Float[Tensor, "h w"]


def score_cam(model: nn.Module, image: Tensor, layer: str) -> Plane:
    """Wang et al. 2020, the authors' code: no baseline, constant channels skipped."""
    with torch.no_grad():
        activations = _activations(model, image, layer)
        total = image.new_zeros(image.shape[2:])
        for channel in activations[0]:
            plane = _upsampled(channel, image)
            if plane.max() == plane.min():
                continue
            total += _probability(model, image * _min_max(plane)) * plane
        return total.relu()


def score_cam_pp(model: nn.Module, image: Tensor, layer: str) -> Plane:
    """Mitra et al. 2024, the authors' code: tanh gates the mask and the summand."""
    with torch.no_grad():
        activations = _activations(model, image, layer)
        total = image.new_zeros(image.shape[2:])
        for channel in activations[0]:
            gate = _upsampled(channel, image).tanh()
            total += _probability(model, image * gate) * gate
        return total.relu()


def union_cam(model: nn.Module, image: Tensor, layer: str, theta: float = 10) -> Plane:
    """Hu et al. 2024, Eq. 1 to 8, both maps in [0, 1]; at the layer's resolution."""
    activations, gradients, _ = (one[0] for one in evidence(model, image, layer))
    bars = torch.quantile(gradients.flatten(1), theta / 100, dim=1)[:, None, None]
    positive = gradients.where(gradients >= bars, 0).relu()
    sums = positive.sum(dim=(1, 2), keepdim=True)
    denoised = _min_max((positive / sums.where(sums > 0, 1) * activations).sum(dim=0))
    with torch.no_grad():
        region = _min_max(_region(model, image, activations))
        blank = _probability(model, torch.zeros_like(image))

        def contribution(map_: Plane) -> Tensor:
            return _probability(model, image * _min_max(_upsampled(map_, image))) - blank

        weights = contribution(denoised), contribution(region)
        united = weights[0] * denoised + weights[1] * region
        hopeless = weights[0] < 0 and weights[1] < 0
        return united if not hopeless and contribution(united) > weights[1] else region


def _region(model: nn.Module, image: Tensor, activations: Float[Tensor, "k i j"]) -> Plane:
    total = torch.zeros_like(activations[0])
    for channel in activations:
        if channel.max() != channel.min():
            mask = _min_max(_upsampled(channel, image))
            total += _probability(model, image * mask) * channel
    return total


def _activations(model: nn.Module, image: Tensor, layer: str) -> Tensor:
    kept: list[Tensor] = []
    keep: Callable[..., None] = lambda *seen: kept.append(seen[2])  # noqa: E731 - a hook
    handle = model.get_submodule(layer).register_forward_hook(keep)
    try:
        model(image)
    finally:
        handle.remove()
    return kept[0]


def _upsampled(channel: Plane, image: Tensor) -> Plane:
    found = nn.functional.interpolate(channel[None, None], image.shape[2:], mode="bilinear")
    return found[0, 0]


def _min_max(plane: Plane) -> Plane:
    return (plane - plane.min()) / (plane.max() - plane.min())


def _probability(model: nn.Module, image: Tensor) -> Tensor:
    return model(image).softmax(dim=1)[0, 0]
