"""Maps of self-explaining networks: what can be asked of p(y, z | x), as one map per target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import torch

from regionwise.attribution.class_sets import ALL, is_fixed, set_of_target
from regionwise.attribution.recipe import RawMaps
from regionwise.errors import ModelError, SettingError, TargetError
from regionwise.evidence.probe import Probe
from regionwise.evidence.targets import Targets
from regionwise.heads.joint import Joint
from regionwise.shapes import Maps, TargetIndices

Quantity: TypeAlias = Literal[
    "attribution", "saliency", "conditional", "posterior", "subset", "counterfactual"
]


def check_question(method: str, quantity: str, against: int, classes: str) -> None:
    """Refuse settings that do not belong to the question.

    Raises:
        SettingError: another class where none is set against, a set where none is asked for, or
            something that is no set.
    """
    if against != -1 and quantity != "counterfactual":
        raise SettingError(
            f"setting 'against' of {method!r} belongs to quantity=counterfactual, not {quantity}"
        )
    if classes != ALL and quantity != "subset":
        raise SettingError(
            f"setting 'classes' of {method!r} belongs to quantity=subset, not {quantity}"
        )


def own_joint(probe: Probe, kind: str, method: str) -> Joint:
    """Return the joint of the network's own head, which must be of this kind.

    Raises:
        ModelError: the network has no such head; says how to get one.
    """
    try:
        found, joint = probe.joint
    except ModelError as error:
        advice = f"train a network with `regionwise train --head {kind}` or load birds-{kind}"
        if kind == "cape":
            advice += f"; {method}:head=off-the-shelf reads the head of a pooling + linear network"
        raise ModelError(
            f"{method} does not apply: {error} (layer {probe.layer!r}); {advice}"
        ) from error
    if found != kind:
        raise ModelError(f"{method} does not apply: the head is {found}'s; ask for {found}")
    return joint


def per_class(targets: Targets, ask: Callable[[TargetIndices], Maps], device: torch.device) -> Maps:
    """Ask for each target's class; for a class against another, subtract the other's map.

    Raises:
        TargetError: a score function is explained, which is no class.
    """
    if targets.pair is not None:
        return ask(targets.pair[0].to(device)) - ask(targets.pair[1].to(device))
    if targets.indices is None:
        raise TargetError("this method explains classes, not a score function; give a class")
    return ask(targets.indices.to(device))


def answered(
    joint: Joint, probe: Probe, quantity: Quantity, *, against: int, classes: str
) -> RawMaps:
    """Return the maps of any quantity, and what was decided on the way."""
    details = {"probabilities": joint.probabilities}
    if quantity == "subset":
        return RawMaps(subset_maps(joint, probe.targets, classes, probe.class_names), details)
    maps, decided = quantity_maps(joint, probe.targets, quantity, against=against)
    return RawMaps(maps, {**details, **decided})


def quantity_maps(
    joint: Joint, targets: Targets, quantity: Quantity, *, against: int = -1
) -> tuple[Maps, dict[str, object]]:
    """Return the maps of a quantity other than the subset, n t i j, and what was decided.

    Args:
        joint: p(y, z | x).
        targets: classes asked.
        quantity: see :class:`regionwise.heads.joint.Joint`.
        against: the other class of the counterfactual; -1 for the most probable other one.
    """
    device = joint.log_prior.device
    if quantity == "counterfactual":
        return _counterfactual(joint, targets, against)
    if quantity == "saliency":
        return joint.saliency[:, None].expand(-1, targets.count, -1, -1), {}
    asks = {
        "attribution": joint.attribution,
        "conditional": joint.conditional,
        "posterior": joint.posterior,
    }
    return per_class(targets, asks[quantity], device), {}


def subset_maps(joint: Joint, targets: Targets, classes: str, names: Sequence[str] | None) -> Maps:
    """Return what each cell contributes to the set of each target's class, n t i j.

    Args:
        joint: p(y, z | x).
        targets: classes asked.
        classes: which sets; see :mod:`regionwise.attribution.class_sets`.
        names: of the classes, where they are known.

    Reference: Kim et al. 2021, Sec. 4.1.3.
    """
    set_of = set_of_target(classes, joint.log_conditional.shape[1], names)
    if is_fixed(classes):
        return joint.subset(set_of(0))[:, None].expand(-1, targets.count, -1, -1)
    one_image = [
        Joint(joint.log_conditional[n : n + 1], joint.log_prior[n : n + 1])
        for n in range(len(joint.log_prior))
    ]

    def ask(indices: TargetIndices) -> Maps:
        rows = zip(one_image, indices.tolist(), strict=True)
        return torch.stack([torch.cat([one.subset(set_of(c)) for c in row]) for one, row in rows])

    return per_class(targets, ask, joint.log_prior.device)


def _counterfactual(joint: Joint, targets: Targets, against: int) -> tuple[Maps, dict[str, object]]:
    if targets.pair is not None:
        return per_class(targets, joint.attribution, joint.log_prior.device), {}
    if targets.indices is None:
        raise TargetError("this method explains classes, not a score function; give a class")
    mine = targets.indices.to(joint.log_prior.device)
    if against >= 0:
        other = torch.full_like(mine, against)
        if bool((other == mine).any()):
            raise TargetError(f"class {against} cannot be set against itself")
    elif joint.log_conditional.shape[1] < 2:
        raise TargetError("there is one class only, and none to set it against")
    else:
        best = joint.log_probabilities.topk(2, dim=1).indices
        other = torch.where(best[:, :1] == mine, best[:, 1:], best[:, :1])
    return joint.counterfactual(mine, other), {"against": other}
