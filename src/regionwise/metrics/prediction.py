"""What the judge says of the images as they are: accuracy and confidence. No map is asked.

Both belong to a model rather than to a method; a table of methods repeats them in every row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float, Int
from torch import Tensor

from regionwise.metrics.case import Case
from regionwise.metrics.recipe import Metric, Values
from regionwise.shapes import Logits


def hits(logits: Logits, labels: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Return 1 where the largest logit is the label's, 0 elsewhere, n in double precision.

    Choice: of several largest logits, the first counts, as ``argmax`` takes it.
    """
    return (logits.argmax(dim=1) == labels.to(logits.device)).double()


@dataclass(frozen=True)
class Accuracy(Metric):
    """Accuracy: the share of images whose label is the judge's first answer."""

    name: ClassVar[str] = "accuracy"

    def measure(self, case: Case) -> Values:
        """Compare the judge's answer with the label."""
        return Values(hits(case.logits(), case.need("labels")))


@dataclass(frozen=True)
class Confidence(Metric):
    """Confidence: the probability that the judge gives the explained class."""

    name: ClassVar[str] = "confidence"

    def measure(self, case: Case) -> Values:
        """Read the probability of the target."""
        return Values(case.scores(case.logits(), "probability"))
