"""The vanilla head: global average pooling followed by one linear layer, y = W mean(A) + b."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regionwise.errors import ModelError
from regionwise.shapes import Activations, Logits


@dataclass(frozen=True)
class PooledHead:
    """The linear layer behind the pooling.

    Attributes:
        weight: class weights, y k.
        bias: class biases, y.
        name: the module's path.
    """

    weight: Float[Tensor, "y k"]
    bias: Float[Tensor, " y"]
    name: str


class Pooled(nn.Module):
    """The vanilla head as a module: global average pooling, then one linear layer.

    Args:
        channels: K of the activations.
        classes: number of classes.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.channels, self.classes = channels, classes
        self.linear = nn.Linear(channels, classes)

    def forward(self, activations: Activations) -> Logits:
        """Return logits n y = W mean_ij(A) + b."""
        logits: Logits = self.linear(activations.mean(dim=(-2, -1)))
        return logits


def find_pooled_head(model: nn.Module, activations: Activations, logits: Logits) -> PooledHead:
    """Find the linear layer for which logits = W mean_ij(A) + b holds in numbers.

    Raises:
        ModelError: no linear layer (or 1 x 1 convolution) of the model satisfies this.
    """
    pooled = activations.mean(dim=(-2, -1))
    for name, *own in _candidates(model, pooled.shape[1], logits.shape[1]):
        # a network in half precision may have been asked to run in single
        weight, bias = (tensor.to(pooled.dtype) for tensor in own)
        rebuilt = pooled @ weight.T + bias
        tolerance = max(1e-4, 4 * torch.finfo(logits.dtype).eps)
        scale = logits.abs().amax().clamp_min(torch.finfo(logits.dtype).tiny)
        if (rebuilt - logits).abs().amax() <= tolerance * scale:
            return PooledHead(weight, bias, name)
    raise ModelError(
        "behind this layer the network is not global average pooling followed by one linear layer"
    )


def _candidates(
    model: nn.Module, channels: int, classes: int
) -> Iterator[tuple[str, Tensor, Tensor]]:
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            weight = module.weight
        elif isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1) and module.groups == 1:
            weight = module.weight.flatten(1)
        else:
            continue
        if tuple(weight.shape) == (classes, channels):
            bias = module.bias if module.bias is not None else weight.new_zeros(classes)
            yield name, weight.detach(), bias.detach()
