"""CALM (Kim et al. 2021): maps of a network with a latent cue location."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from regionwise.attribution.class_sets import ALL, checked_classes
from regionwise.attribution.joint_maps import Quantity, answered, check_question, own_joint
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.evidence.probe import Probe


@dataclass(frozen=True)
class CALM(Recipe):
    """CALM with its settings.

    Attributes:
        quantity: which question is asked of the joint p(y, z | x).
        against: the other class of ``counterfactual``; -1 for the most probable other one.
        classes: the set of ``subset``: all, self, family, indices joined by +, or a file; see
            :mod:`regionwise.attribution.class_sets`.
    """

    name: ClassVar[str] = "calm"
    quantity: Quantity = "attribution"
    against: int = field(default=-1, metadata={"at_least": -1})
    classes: str = ALL

    def __post_init__(self) -> None:
        """Refuse settings that do not belong to the question; name a file of sets with its hash."""
        super().__post_init__()
        object.__setattr__(self, "classes", checked_classes(self.name, self.classes))
        check_question(self.name, self.quantity, self.against, self.classes)

    @property
    def exact(self) -> bool:
        """Contributions add up; the other quantities answer other questions."""
        return self.quantity == "attribution"

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the joint, and the joint for the maps."""
        joint = own_joint(probe, "calm", self.name)
        return answered(joint, probe, self.quantity, against=self.against, classes=self.classes)
