"""The plain formulation of gradient methods: a hook, one backward pass, the paper's equation.

No layout but the tensors' own, nothing shared, float32: what ours is held against.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from regionwise.attribution.noise import noisy_copies, ranges

Map = Float[Tensor, "n i j"]
Planes = Float[Tensor, "n k i j"]


def evidence(model: nn.Module, inputs: Tensor, layer: str) -> tuple[Tensor, Tensor, Tensor]:
    """Return a layer's output, the derivative of the logits of class 0 by it, and the logits."""
    kept: list[Tensor] = []
    handle = model.get_submodule(layer).register_forward_hook(lambda *seen: kept.append(seen[2]))
    try:
        logits = model(inputs)
    finally:
        handle.remove()
    gradients = torch.autograd.grad(logits[:, 0].sum(), kept[0])[0]
    return kept[0].detach(), gradients, logits.detach()


def cam(activations: Planes, class_weights: Tensor) -> Map:
    """Zhou et al. 2016, Eq. 2; one weight per channel."""
    return torch.einsum("k,nkij->nij", class_weights.detach(), activations)


def grad_cam(activations: Planes, gradients: Planes) -> Map:
    """Selvaraju et al. 2017, Eq. 1 and 2."""
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(dim=1).relu()


def grad_cam_pp(activations: Planes, gradients: Planes) -> Map:
    """Chattopadhyay et al. 2018, Eq. 10 and 19, with (sum A) g^3."""
    sums = activations.sum(dim=(2, 3), keepdim=True)
    below = 2 * gradients**2 + sums * gradients**3
    alpha = torch.where(below != 0, gradients**2 / below.where(below != 0, 1), 0)
    weights = (alpha * gradients.relu()).sum(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(dim=1).relu()


def xgrad_cam(activations: Planes, gradients: Planes) -> Map:
    """Fu et al. 2020, Eq. 8; a channel that sums to nothing weighs nothing."""
    sums = activations.sum(dim=(2, 3), keepdim=True)
    shares = activations / sums.where(sums != 0, 1)
    weights = (shares * gradients).sum(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(dim=1).relu()


def layer_cam(activations: Planes, gradients: Planes) -> Map:
    """Jiang et al. 2021, Eq. 5 and 6."""
    return (gradients.relu() * activations).sum(dim=1).relu()


OF_GRADIENTS: dict[str, Callable[[Planes, Planes], Map]] = {
    "grad-cam": grad_cam,
    "grad-cam++": grad_cam_pp,
    "xgrad-cam": xgrad_cam,
    "layer-cam": layer_cam,
}


def smooth_grad_cam_pp(model: nn.Module, inputs: Tensor, layer: str, samples: int) -> Map:
    """torch-cam's: mean squares and cubes; the last copy's own gradient and activations."""
    own = evidence(model, inputs, layer)[0]
    second, third = torch.zeros_like(own), torch.zeros_like(own)
    sigma = 0.3 * torch.ones_like(ranges(inputs))
    for noisy in noisy_copies(inputs, sigma, samples=samples, seed=0):
        activations, first, _ = evidence(model, noisy, layer)
        second, third = second + first**2 / samples, third + first**3 / samples
    below = 2 * second + (own * third).sum(dim=(2, 3), keepdim=True)
    alpha = torch.where(below != 0, second / below.where(below != 0, 1), 0)
    weights = (alpha * first.relu()).sum(dim=(2, 3), keepdim=True)
    return (weights * activations).sum(dim=1).relu()


def integrated_gradients(model: nn.Module, inputs: Tensor, steps: int) -> Float[Tensor, "n h w"]:
    """Sundararajan et al. 2017, Eq. 1, from zero by Gauss-Legendre; summed over colours."""
    places, weights = np.polynomial.legendre.leggauss(steps)
    total = torch.zeros_like(inputs)
    for place, weight in zip(places, weights, strict=True):
        total += float(weight) / 2 * input_gradient(model, inputs * float((1 + place) / 2))
    return (inputs * total).sum(dim=1)


def smooth_grad(model: nn.Module, inputs: Tensor, samples: int) -> Float[Tensor, "n h w"]:
    """Smilkov et al. 2017: the mean gradient under noise; the largest over colours."""
    sigma = 0.15 * ranges(inputs)
    copies = noisy_copies(inputs, sigma, samples=samples, seed=0)
    return (sum(input_gradient(model, one) for one in copies) / samples).abs().amax(dim=1)


def input_gradient(model: nn.Module, inputs: Tensor) -> Tensor:
    """Return the derivative of the logits of class 0 by the inputs."""
    leaf = inputs.detach().clone().requires_grad_()
    return torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)[0]


def ablation_cam(model: nn.Module, inputs: Tensor, layer: str, tail: nn.Module) -> Map:
    """Desai and Ramaswamy 2020: one channel after the other is set to zero in front of the tail."""
    activations, _, logits = evidence(model, inputs, layer)
    drops = activations.new_empty(activations.shape[:2])
    with torch.no_grad():
        for k in range(activations.shape[1]):
            changed = activations.clone()
            changed[:, k] = 0
            drops[:, k] = logits[:, 0] - tail(changed)[:, 0]
    weights = (drops / logits[:, :1].abs())[:, :, None, None]
    return (weights * activations).sum(dim=1).relu()
