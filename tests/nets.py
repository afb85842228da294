"""Small seeded networks in float64, each cut into `trunk` (to the layer) and `tail` (behind it)."""

import torch
from torch import Tensor, nn


class PooledNet(nn.Module):
    """conv, ReLU, conv, ReLU [`features`], global average pooling, linear to four classes."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 5, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(5, 6, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(6, 4)

    def trunk(self, x: Tensor) -> Tensor:
        return self.features(x)

    def tail(self, activations: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.pool(activations), 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.trunk(x))


class DeepTailNet(nn.Module):
    """A convolution [`stem`, signed], in-place ReLU, conv, tanh, a skip, pooling, a curved head."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.mix = nn.Conv2d(6, 6, 3, padding=1)
        self.hidden = nn.Linear(6, 8)
        self.out = nn.Linear(8, 5)

    def trunk(self, x: Tensor) -> Tensor:
        return self.stem(x)

    def tail(self, activations: Tensor) -> Tensor:
        rectified = self.relu(activations)
        mixed = torch.tanh(self.mix(rectified)) * 2 + rectified
        return self.out(torch.tanh(self.hidden(mixed.square().mean((2, 3)))))

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.trunk(x))


def seeded(factory, seed: int, *, dtype: torch.dtype = torch.float64) -> nn.Module:
    """`factory()` in evaluation mode with weights drawn from `seed`, well away from blank maps."""
    model = factory().to(dtype).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(noise * (1.5 / fan_in**0.5))
    return model


def woken(model: nn.Module, seed: int, *, size=64, dtype=torch.float64) -> nn.Module:
    """A library network with random weights whose maps are not blank.

    Convolutions and linear layers are drawn with He's variance, scales around one, and batch
    normalisation is calibrated by one pass in training mode over noise.
    """
    model = model.to(dtype)
    generator = torch.Generator().manual_seed(seed)

    def normal(shape):
        return torch.randn(shape, generator=generator).to(dtype)

    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "layer_scale" not in name:
                fan_in = parameter[0].numel()
                parameter.copy_(normal(parameter.shape) * (2 / fan_in) ** 0.5)
            elif name.endswith("bias"):
                parameter.copy_(normal(parameter.shape) * 0.1)
            else:
                parameter.copy_(1 + normal(parameter.shape) * 0.2)
        norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None
        model.train()
        if norms:
            model(normal((8, 3, *((size, size) if isinstance(size, int) else size))))
        for norm in norms:
            norm.momentum = 0.1
    return model.eval()
