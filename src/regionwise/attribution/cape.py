"""CAPE and mu-CAPE (Chowdhury et al. 2024): exact contributions of regions to a probability."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeAlias

from regionwise.attribution.class_sets import ALL, checked_classes
from regionwise.attribution.joint_maps import (
    Quantity,
    answered,
    check_question,
    own_joint,
    per_class,
)
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import ModelError
from regionwise.evidence.needs import JOINT, POOLED_HEAD
from regionwise.evidence.probe import Probe
from regionwise.heads.cape import cape_joint, class_maps_of, naive_joint
from regionwise.heads.joint import Joint

Head: TypeAlias = Literal["own", "off-the-shelf", "naive-average"]


def joint_of(probe: Probe, head: str, method: str) -> Joint:
    """Return the network's own joint, or a vanilla pooling + linear head read as CAPE.

    The latter explains the prediction of the re-read network, not the vanilla one: they differ.

    Raises:
        ModelError: the network has no such head.

    Reference: Chowdhury et al. 2024, Sec. 4.3 and Eq. 4 (naive average), Eq. 8 (off-the-shelf).
    """
    if head == "own":
        return own_joint(probe, "cape", method)
    try:
        found = probe.pooled_head
    except ModelError as error:
        raise ModelError(
            f"{method}:head={head} does not apply: {error} (layer {probe.layer!r});"
            " train a CAPE head for this network with `regionwise train --head cape`"
        ) from error
    maps = class_maps_of(probe.activations, found.weight, found.bias)
    return cape_joint(maps) if head == "off-the-shelf" else naive_joint(maps)


def evidence_for(head: str) -> frozenset[str]:
    """Return what the probe has to prepare."""
    return frozenset({JOINT if head == "own" else POOLED_HEAD})


@dataclass(frozen=True)
class CAPE(Recipe):
    """CAPE with its settings.

    Attributes:
        head: ``own``: the network's trained CAPE head; ``off-the-shelf`` and ``naive-average``
            read the vanilla head of a pooling + linear network, untrained.
        quantity: which question is asked of the joint.
        against: the other class of ``counterfactual``; -1 for the most probable other one.
        classes: the set of ``subset``: all, self, family, indices joined by +, or a file; see
            :mod:`regionwise.attribution.class_sets`.
    """

    name: ClassVar[str] = "cape"
    head: Head = "own"
    quantity: Quantity = "attribution"
    against: int = field(default=-1, metadata={"at_least": -1})
    classes: str = ALL

    def __post_init__(self) -> None:
        """Refuse settings that do not belong to the question; name a file of sets with its hash."""
        super().__post_init__()
        object.__setattr__(self, "classes", checked_classes(self.name, self.classes))
        check_question(self.name, self.quantity, self.against, self.classes)

    @property
    def needs(self) -> frozenset[str]:
        """The trained head, or the vanilla one."""
        return evidence_for(self.head)

    @property
    def exact(self) -> bool:
        """Contributions add up to the probability that the head, as it is read, gives."""
        return self.quantity == "attribution"

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the joint, and the joint for the maps."""
        joint = joint_of(probe, self.head, self.name)
        return answered(joint, probe, self.quantity, against=self.against, classes=self.classes)


@dataclass(frozen=True)
class MuCAPE(Recipe):
    """mu-CAPE: CAPE's energies before its softmaxes.

    Attributes:
        head: ``own``: the network's trained CAPE head; ``off-the-shelf`` reads the vanilla head
            of a pooling + linear network, untrained.
    """

    name: ClassVar[str] = "mu-cape"
    head: Literal["own", "off-the-shelf"] = "own"

    @property
    def needs(self) -> frozenset[str]:
        """The trained head, or the vanilla one."""
        return evidence_for(self.head)

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the joint's energies."""
        joint = joint_of(probe, self.head, self.name)
        maps = per_class(probe.targets, joint.mu, joint.log_prior.device)
        return RawMaps(maps, {"probabilities": joint.probabilities})
