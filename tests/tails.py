"""Small networks cut into `trunk` and `tail`, each with a tail of its own kind."""

import torch
from torch import Tensor, nn

CLASSES = 4


class Cut(nn.Module):
    """Three signed or rectified maps [`layer`], then what a subclass makes of them."""

    def __init__(self, *, channels=5):
        super().__init__()
        self.layer = nn.Conv2d(3, channels, 3, stride=4, padding=1)

    def trunk(self, x: Tensor) -> Tensor:
        return self.layer(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.tail(self.trunk(x))


class Scaled(nn.Module):
    """A linear layer that no one can recognise as one."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.matrix = nn.Parameter(torch.zeros(inputs, outputs))
        self.offset = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix + self.offset


class DisguisedHead(Cut):
    """Pooling and linear, but the head is not found: the tail has to run."""

    def __init__(self):
        super().__init__()
        self.head = Scaled(5, CLASSES)

    def tail(self, activations: Tensor) -> Tensor:
        return self.head(activations.mean((2, 3)))


class HiddenLayer(Cut):
    """f on every activation, pooling, linear, f, linear."""

    def __init__(self, f=torch.relu):
        super().__init__()
        self.f = f
        self.first = nn.Linear(5, 7)
        self.second = nn.Linear(7, CLASSES)

    def tail(self, activations: Tensor) -> Tensor:
        return self.second(self.f(self.first(self.f(activations).mean((2, 3)))))


class Vgg(Cut):
    """In-place ReLU, overlapping max pooling, convolution, ReLU, two linear layers; all modules."""

    def __init__(self):
        super().__init__()
        self.behind = nn.Sequential(
            nn.ReLU(inplace=True),
            nn.Conv2d(5, 6, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2, 1),
            nn.Flatten(),
            nn.Linear(6 * 3 * 2, 8),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(8, CLASSES),
        )

    def tail(self, activations: Tensor) -> Tensor:
        return self.behind(activations)


class Normed(Cut):
    """Pooling, layer normalisation, linear: no rule of DeepLIFT's applies."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(5)
        self.head = nn.Linear(5, CLASSES)

    def tail(self, activations: Tensor) -> Tensor:
        return self.head(self.norm(activations.mean((2, 3))))


class Gated(Cut):
    """A gate that depends on the map: a product, for which there is no rule either."""

    def __init__(self):
        super().__init__()
        self.gate = nn.Linear(5, 5)
        self.head = nn.Linear(5, CLASSES)

    def tail(self, activations: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(activations.mean((2, 3))))
        return self.head((activations * gate[:, :, None, None]).mean((2, 3)))
