"""Counting what two heads say: sums over images that can be added up over devices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regionwise.shapes import Logits

_FIELDS = ("images", "loss", "right", "confidence", "vanilla_right", "vanilla_confidence", "apart")


@dataclass(eq=False)
class Tally:
    """Sums over images, in float64: loss, right answers and confidence of both heads, differences.

    Attributes:
        sums: one number for each of what is counted.
        two: whether there was a vanilla head.
    """

    sums: Float[Tensor, " s"] = field(
        default_factory=lambda: torch.zeros(len(_FIELDS), dtype=torch.float64)
    )
    two: bool = False

    def clear(self) -> None:
        """Begin anew."""
        self.sums = torch.zeros_like(self.sums)

    def add(
        self,
        loss: Float[Tensor, ""],
        said: Logits,
        vanilla: Logits | None,
        labels: Int[Tensor, " n"],
    ) -> None:
        """Add a batch."""
        own = said.detach().float()
        right, confidence = _answers(own, labels)
        parts = [torch.tensor(len(labels)), loss.detach() * len(labels), right, confidence]
        parts += [torch.zeros(())] * 3
        if vanilla is not None:
            self.two = True
            other = vanilla.detach().float()
            apart = (own.argmax(dim=1) != other.argmax(dim=1)).sum()
            parts[4:] = [*_answers(other, labels), apart]
        self.sums += torch.stack([part.double().cpu() for part in parts])

    def means(self, combine: Callable[[Tensor], Tensor] | None = None) -> dict[str, float]:
        """Return means over the images; ``combine`` adds the sums of all devices up.

        ``accuracy`` and ``confidence`` are the head's, in [0, 1]; ``disagreement`` is the share of
        images on which the two heads name different classes.
        """
        summed = dict(zip(_FIELDS, (combine or _same)(self.sums).tolist(), strict=True))
        count = summed["images"]
        if not count:
            return {}
        found = {
            "loss": summed["loss"] / count,
            "accuracy": summed["right"] / count,
            "confidence": summed["confidence"] / count,
        }
        if self.two:
            found |= {
                "vanilla_accuracy": summed["vanilla_right"] / count,
                "vanilla_confidence": summed["vanilla_confidence"] / count,
                "disagreement": summed["apart"] / count,
            }
        return found


def _answers(logits: Logits, labels: Int[Tensor, " n"]) -> tuple[Tensor, Tensor]:
    probability, answer = logits.softmax(dim=1).max(dim=1)
    return (answer == labels).sum(), probability.sum()


def _same(sums: Tensor) -> Tensor:
    return sums
