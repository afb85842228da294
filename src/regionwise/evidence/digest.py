"""A name of a tensor by its values."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def digest(tensor: Tensor) -> str:
    """Return a hash of a tensor's shape, type and values."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    name = f"{tuple(tensor.shape)} {tensor.dtype}".encode()
    return hashlib.blake2b(
        flat.view(torch.uint8).numpy().data, digest_size=16, key=name
    ).hexdigest()
