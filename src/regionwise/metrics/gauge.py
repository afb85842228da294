"""Copies of a network that compute the same probabilities by other weights.

A softmax does not see what is added to all logits alike. W_c + v and b_c + t, with the same v and t
for every class c, are other weights for the same function: a gauge.

Reference: Sundararajan, Taly and Yan 2017, section 2.2 (implementation invariance); Kim et al.
2021, CALM, section 3.1 (the constant added to CAM's logits).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regionwise.errors import ModelError
from regionwise.heads.cape import Cape
from regionwise.metrics.judge import Judge
from regionwise.shapes import Inputs


def shifted_classes(
    weight: Float[Tensor, "y k *s"],
    bias: Float[Tensor, " y"] | None,
    v: Tensor,
    t: float,
) -> tuple[Float[Tensor, "y k *s"], Float[Tensor, " y"] | None]:
    """Return W_c + v and b_c + t for every class; without biases only the weights change."""
    return weight + v, None if bias is None else bias + t


def gauged(model: nn.Module, inputs: Inputs, *, strength: float = 1.0, seed: int = 0) -> nn.Module:
    """Return a copy with other weights and the same probabilities; the network itself stays.

    v and t are drawn from ``seed``, with a deviation of ``strength`` times that of the class
    weights, and ``strength``. The layer that gives the logits is changed: a linear one or a 1 x 1
    convolution, or the cue of a CALM head. Of a CAPE head only the biases can be: v would move its
    p(z | x), which is a softmax over places.

    Raises:
        ModelError: no layer is found whose change leaves the probabilities on ``inputs`` alone.
    """
    before = Judge(model).logits(inputs).softmax(dim=1)
    tolerance = max(1e-5, 64 * torch.finfo(before.dtype).eps)
    for name in _candidates(model, before.shape[1]):
        changed = copy.deepcopy(model)
        _shift(changed, name, strength, seed)
        after = Judge(changed).logits(inputs).softmax(dim=1)
        if (after - before).abs().amax() <= tolerance:
            return changed
    raise ModelError(
        "no last linear layer was found whose classes can all be shifted alike without changing"
        " the probabilities; give a network that ends in one, or in a CALM or CAPE head"
    )


def _candidates(model: nn.Module, classes: int) -> Iterator[str]:
    """Yield layers that may give the logits, the last one first."""
    for name, module in reversed(list(model.named_modules())):
        if isinstance(module, Cape):
            yield name
        if isinstance(module, nn.Linear | nn.Conv2d) and module.weight.shape[0] == classes:
            yield name


def _shift(model: nn.Module, name: str, strength: float, seed: int) -> None:
    module = model.get_submodule(name)
    if not isinstance(module, nn.Linear | nn.Conv2d | Cape):
        raise ModelError(f"{name!r} is no layer that gives logits")
    generator = torch.Generator().manual_seed(seed)
    weight, bias = module.weight, module.bias
    v = torch.randn(weight.shape[1:], generator=generator).to(weight)
    v = v * strength * weight.detach().std()
    t = strength * (1 + float(torch.rand(1, generator=generator)))
    if isinstance(module, Cape):
        v = torch.zeros_like(v)
    with torch.no_grad():
        new_weight, new_bias = shifted_classes(weight, bias, v, t)
        weight.copy_(new_weight)
        if bias is not None and new_bias is not None:
            bias.copy_(new_bias)
