"""Maps of self-explaining networks: what can be asked of p(y, z | x), as one map per target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch

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
    if classes and quantity != "subset":
        raise SettingError(
            f"setting 'classes' of {method!r} belongs to quantity=subset, not {quantity}"
        )
    _classes_of(classes, 0)


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


def quantity_maps(
    joint: Joint, targets: Targets, quantity: Quantity, *, against: int = -1, classes: str = ""
) -> tuple[Maps, dict[str, object]]:
    """Return the maps of a quantity, n t i j, and what was decided on the way.

    Args:
        joint: p(y, z | x).
        targets: classes asked.
        quantity: see :class:`regionwise.heads.joint.Joint`.
        against: the other class of the counterfactual; -1 for the most probable other one.
        classes: the set of the subset, such as ``3+5+9``; empty for all.
    """
    device = joint.log_prior.device
    if quantity == "counterfactual":
        return _counterfactual(joint, targets, against)
    if quantity in {"saliency", "subset"}:
        chosen = _classes_of(classes, joint.log_conditional.shape[1])
        maps = joint.saliency if quantity == "saliency" else joint.subset(chosen)
        return maps[:, None].expand(-1, targets.count, -1, -1), {}
    asks = {
        "attribution": joint.attribution,
        "conditional": joint.conditional,
        "posterior": joint.posterior,
    }
    return per_class(targets, asks[quantity], device), {}


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


def _classes_of(text: str, count: int) -> list[int]:
    try:
        return [int(part) for part in text.split("+")] if text else list(range(count))
    except ValueError:
        raise SettingError(
            f"classes are indices joined by +, such as 3+5+9, not {text!r}"
        ) from None
