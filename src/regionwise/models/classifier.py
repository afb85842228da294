"""A classifier: a network with its preprocessing, its class names and where it came from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from regionwise.models.placement import device_of, dtype_of
from regionwise.models.preprocessing import Preprocessing
from regionwise.shapes import Inputs


@dataclass(frozen=True, eq=False)
class Classifier:
    """A network and what belongs to it.

    Attributes:
        module: the network, in eval mode when it was loaded by name.
        preprocessing: from a picture to its inputs; ``None`` if unknown.
        class_names: in the order of the logits; ``None`` if unknown.
        source: what it was loaded from, such as ``torchvision:resnet50``.
        weights: where the weights came from: ``shipped``, ``pretrained``, ``random``, a file name,
            or ``given``.
        layer: the layer to explain by default; ``None`` finds it when it is needed.
    """

    module: nn.Module
    preprocessing: Preprocessing | None = None
    class_names: tuple[str, ...] | None = None
    source: str = "module"
    weights: str = "given"
    layer: str | None = None

    def __call__(self, inputs: Tensor) -> Any:
        """Run the network; some answer with more than logits."""
        return self.module(inputs)

    def noise(self, size: tuple[int, int] | None = None, *, count: int = 1) -> Inputs:
        """Return seeded noise n c h w, to see what the network makes of an input.

        Args:
            size: rows and columns; those of the preprocessing by default, 224 x 224 without one.
            count: how many.
        """
        how = self.preprocessing
        rows, columns = size or (how.size if how else (224, 224))
        generator = torch.Generator().manual_seed(0)
        colours = len(how.mean) if how else 3
        noise = torch.randn(count, colours, rows, columns, generator=generator)
        return noise.to(device_of(self.module), dtype_of(self.module))

    def weights_hash(self) -> str:
        """Return a SHA-256 over names, shapes, dtypes and bytes of all weights and buffers."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.module.state_dict().items()):
            if not isinstance(tensor, Tensor):
                continue
            digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return what identifies the classifier, as JSON can hold it."""
        return {
            "source": self.source,
            "architecture": type(self.module).__name__,
            "weights": self.weights,
            "weights_sha256": self.weights_hash(),
            "classes": None if self.class_names is None else len(self.class_names),
            "preprocessing": None if self.preprocessing is None else self.preprocessing.describe(),
        }
