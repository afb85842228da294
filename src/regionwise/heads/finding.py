"""Finding the head of a self-explaining network behind a layer, checked by number."""

from __future__ import annotations

import torch
from torch import nn

from regionwise.errors import ModelError
from regionwise.heads.joint import Joint, JointHead
from regionwise.shapes import Activations, Logits


def find_joint(model: nn.Module, activations: Activations, logits: Logits) -> tuple[str, Joint]:
    """Find the head whose joint gives the network's own prediction; return its kind and the joint.

    Raises:
        ModelError: the network has no such head, or it does not follow this layer.
    """
    heads = [(name, m) for name, m in model.named_modules() if isinstance(m, JointHead)]
    if not heads:
        raise ModelError("this network has no head that explains itself")
    wanted = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=1)
    tolerance = max(1e-4, 8 * torch.finfo(logits.dtype).eps)
    for _, head in heads:
        if head.channels != activations.shape[1] or head.classes != logits.shape[1]:
            continue
        joint = head.joint(activations)
        gap = (joint.log_probabilities - wanted).abs().amax()
        if gap <= tolerance * wanted.abs().amax().clamp_min(1.0):
            return type(head).__name__.lower(), joint
    names = ", ".join(repr(name) for name, _ in heads)
    raise ModelError(f"the head {names} does not take this layer; explain the layer in front of it")
