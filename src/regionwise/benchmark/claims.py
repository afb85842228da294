"""What a benchmark shall decide: claims, and the families of networks they are tried on.

::

    [[families]]                        # networks of one kind: a role, and what `load_model` takes
    name = "BirdNet"
    vanilla = "birds-1"
    calm = "birds-calm"

    [[claims]]                          # one line that holds, does not, or stays undecided
    id = "calm-cue"
    says = "CALM finds the cue between two classes better than CAM"
    source = "Kim et al. 2021, Table 1"
    metric = "cue-localisation"
    target = "pairs"                    # the recipe's own if left out
    better = { role = "calm", method = "calm" }
    than = { role = "vanilla", method = "cam" }

Roles are free names. Four kinds of claims:

``better``, ``than``
    The difference, in the metric's own direction, is above 0.
``kind = "equal"``: ``of``, ``as``, ``within``
    The difference lies within a tolerance.
``kind = "bound"``: ``of``, ``below`` or ``above``
    A number lies on one side of another.
``kind = "first"``: ``first``, ``among``, ``metrics``
    The Borda count of CAPE (three points, two, one) has one winner.

A side is a role and a method, or a list of methods, or a list of such sides: the claim is of every
pair. It may name a metric of its own, which takes the place of the claim's. ``by = "image"`` takes
the numbers of images where the metric's answer is another one, such as that of pooled pixels.
``judge`` is one of the recipe's, the first if left out. Nothing here imports torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["better", "equal", "bound", "first"]
By: TypeAlias = Literal["answer", "image"]
Way: TypeAlias = Literal["", "within", "below", "above"]

KINDS: Final = ("better", "equal", "bound", "first")
ANY: Final = ""
"""Instead of a method: whichever was run, for metrics that ask for no map."""


@dataclass(frozen=True)
class Family:
    """Networks of one kind: what each role is loaded from."""

    name: str
    models: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Side:
    """One side of a claim: a method on the network of a role, by the claim's metric or its own."""

    role: str
    method: str = ANY
    metric: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim, and the test that decides it; see the module's text.

    Attributes:
        id: a short name.
        says: the claim in one line.
        source: who made it, and where.
        kind: see above.
        metrics: one; several for a Borda count.
        target: the class explained.
        sides: of which something is claimed.
        than: what they are held against; nothing for a bound.
        by: the metric's answer, or the numbers of images.
        judge: who scores altered images; empty for the recipe's first.
        way: of a bound or a tolerance.
        limit: the bound or the tolerance.
    """

    id: str
    says: str
    source: str
    kind: Kind
    metrics: tuple[str, ...]
    target: str
    sides: tuple[Side, ...]
    than: tuple[Side, ...] = ()
    by: By = "answer"
    judge: str = ""
    way: Way = ""
    limit: float = 0.0

    @property
    def every(self) -> tuple[Side, ...]:
        """All sides, those of which something is claimed first."""
        return (*self.sides, *self.than)
