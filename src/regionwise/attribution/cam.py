"""CAM (Zhou et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from regionwise.attribution.catalog import methods
from regionwise.attribution.class_sets import SELF, checked_classes, set_of_target
from regionwise.attribution.joint_maps import per_class
from regionwise.attribution.recipe import RawMaps, Recipe
from regionwise.errors import ModelError
from regionwise.evidence.masking import min_max
from regionwise.evidence.needs import POOLED_HEAD
from regionwise.evidence.probe import Probe
from regionwise.heads.pooled import PooledHead
from regionwise.shapes import Activations, ChannelWeights, Maps, Scores, TargetIndices


def class_activation_map(
    activations: Activations, class_weights: ChannelWeights, class_bias: Scores | None = None
) -> Maps:
    """Weigh the channels by the class: M_c(i, j) = sum_k W_ck A_k(i, j) (+ b_c).

    Args:
        activations: n k i j.
        class_weights: rows of the linear layer for the targets, n t k.
        class_bias: biases of the targets, n t; left out by default.

    Returns:
        Signed maps n t i j in units of logits: without bias, their mean plus b_c is the logit.

    Reference: Zhou et al. 2016, Eq. 2.
    Choice: CAPE's and CALM's code add the bias; with min-max normalisation it changes nothing.
    """
    maps = torch.einsum("ntk,nkij->ntij", class_weights, activations)
    return maps if class_bias is None else maps + class_bias[:, :, None, None]


def superset_map(
    class_maps: Float[Tensor, "n y i j"], members: Bool[Tensor, "n t y"]
) -> Float[Tensor, "n t i j"]:
    """Add up the maps of a set of classes, each scaled to [0, 1]: sum_{y in Y} minmax(M_y).

    Args:
        class_maps: CAM's maps of all classes.
        members: which classes are in the set of each target.

    A map of one value everywhere adds nothing.

    Reference: Kim et al. 2021 (CALM), Table 3, "CAM + Y"; the paper says for CALM alone what is
    added up, the scaling is that of its code.
    """
    return torch.einsum("nty,nyij->ntij", members.to(class_maps), min_max(class_maps))


@dataclass(frozen=True)
class CAM(Recipe):
    """CAM with its settings.

    Attributes:
        bias: the class bias is added.
        classes: whose maps are added up: ``self`` for the target's alone, as it is; all, family,
            indices joined by +, or a file, see :mod:`regionwise.attribution.class_sets`.
    """

    name: ClassVar[str] = "cam"
    bias: bool = False
    classes: str = SELF

    def __post_init__(self) -> None:
        """Refuse what is no set of classes; name a file of sets with its hash."""
        super().__post_init__()
        object.__setattr__(self, "classes", checked_classes(self.name, self.classes))

    def __call__(self, probe: Probe) -> RawMaps:
        """Ask for the pooled head and weigh the activations with its rows."""
        try:
            head = probe.pooled_head
        except ModelError as error:
            others = [c.name for c in methods.cards() if POOLED_HEAD not in c.needs]
            raise ModelError(
                f"cam does not apply: {error} (layer {probe.layer!r}). These methods do: "
                + ", ".join(others)
            ) from error
        if self.classes != SELF:
            return RawMaps(self._supersets(probe, head), {"linear": head.name})
        weights = probe.targets.class_rows(head.weight)
        bias = probe.targets.class_rows(head.bias) if self.bias else None
        maps = class_activation_map(probe.activations, weights, bias)
        return RawMaps(maps, {"linear": head.name})

    def _supersets(self, probe: Probe, head: PooledHead) -> Maps:
        count = len(head.weight)
        set_of = set_of_target(self.classes, count, probe.class_names)
        rows = head.weight.expand(len(probe.activations), -1, -1)
        class_maps = class_activation_map(probe.activations, rows)

        def ask(indices: TargetIndices) -> Maps:
            members = torch.zeros(*indices.shape, count, dtype=torch.bool)
            for n, classes in enumerate(indices.tolist()):
                for t, target in enumerate(classes):
                    members[n, t, list(set_of(target))] = True
            return superset_map(class_maps, members.to(class_maps.device))

        return per_class(probe.targets, ask, class_maps.device)
