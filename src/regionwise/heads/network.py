"""A network that explains itself: a backbone with a head that gives the joint p(y, z | x).

>>> spec = NetworkSpec(BackboneSpec("birdnet"), "cape", classes=3)
>>> NetworkSpec.from_json(spec.to_json()) == spec
True
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import nn

from regionwise.errors import ModelError, SettingError, nearest
from regionwise.heads.calm import Calm
from regionwise.heads.cape import Cape
from regionwise.heads.joint import Joint, JointHead
from regionwise.heads.pooled import Pooled
from regionwise.models.backbones import Backbone, BackboneSpec, build_backbone
from regionwise.models.sources import PRETRAINED
from regionwise.shapes import Inputs, Logits

Head: TypeAlias = Literal["pooled", "cape", "calm"]

_HEADS: Final[dict[str, type[JointHead | Pooled]]] = {
    "pooled": Pooled,
    "cape": Cape,
    "calm": Calm,
}


@dataclass(frozen=True)
class NetworkSpec:
    """How to build a network again; JSON can hold it.

    Attributes:
        backbone: what gives the map.
        head: ``pooled`` (the vanilla one), ``cape`` or ``calm``.
        classes: number of classes, two at least.
        head_options: further arguments of the head (``temperatures``; ``prior`` and
            ``detach_normaliser``).
        vanilla: a vanilla head stands beside the head, for training; not beside another.

    Raises:
        SettingError: a value that is not allowed; the field is named.
    """

    backbone: BackboneSpec
    head: Head
    classes: int
    head_options: Mapping[str, Any] = field(default_factory=dict)
    vanilla: bool = False

    def __post_init__(self) -> None:
        _check(vars(self))

    def to_json(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {
            "backbone": self.backbone.to_json(),
            "head": self.head,
            "classes": self.classes,
            "head_options": dict(self.head_options),
            "vanilla": self.vanilla,
        }

    @classmethod
    def from_json(cls, value: Any) -> NetworkSpec:
        """Return the spec that :meth:`to_json` gave.

        Raises:
            SettingError: a field is missing, unknown, or out of range; the field is named.
        """
        if not isinstance(value, Mapping):
            raise SettingError(f"a network is an object with fields, not {value!r}")
        known = [f.name for f in fields(cls)]
        for name in value:
            if name not in known:
                raise SettingError(f"a network has no field {name!r}: {nearest(str(name), known)}")
        for name in ("backbone", "head", "classes"):
            if name not in value:
                raise SettingError(f"the field {name!r} of the network is missing")
        _check(value)
        return cls(**{**value, "backbone": BackboneSpec.from_json(value["backbone"])})


def _check(value: Mapping[str, Any]) -> None:
    """Refuse fields that no network can have, whatever their type: a file may hold anything."""
    head, classes = value["head"], value["classes"]
    vanilla, options = value.get("vanilla", False), value.get("head_options", {})
    if not isinstance(head, str) or head not in _HEADS:
        raise SettingError(f"head must be one of {sorted(_HEADS)}, not {head!r}")
    if type(classes) is not int or classes < 2:
        raise SettingError(f"classes must be a whole number from 2, not {classes!r}")
    if type(vanilla) is not bool:
        raise SettingError(f"vanilla must be true or false, not {vanilla!r}")
    if vanilla and head == "pooled":
        raise SettingError("vanilla: a pooled head is the vanilla head, and needs no second")
    if not isinstance(options, Mapping):
        raise SettingError(f"head_options must be names with values, not {options!r}")
    known = list(inspect.signature(_HEADS[head]).parameters)[2:]
    for name in options:
        if name not in known:
            raise SettingError(
                f"head_options: {head} has no option {name!r}: {nearest(str(name), known)}"
            )


class RegionNetwork(nn.Module):
    """A backbone and a head, and a vanilla head beside it while training asks for one.

    The layer to explain is ``backbone``: its output is the map n k i j that the head reads.
    """

    def __init__(
        self, backbone: Backbone, head: JointHead | Pooled, vanilla: Pooled | None = None
    ) -> None:
        super().__init__()
        self.backbone, self.head, self.vanilla = backbone, head, vanilla

    def forward(self, inputs: Inputs) -> Logits:
        """Return logits n y of the head; log p(y | x) where it gives a joint."""
        logits: Logits = self.head(self.backbone(inputs))
        return logits

    def joint(self, inputs: Inputs) -> Joint:
        """Return p(y, z | x).

        Raises:
            ModelError: the head is the vanilla one, which gives none.
        """
        if not isinstance(self.head, JointHead):
            raise ModelError(
                "the vanilla head gives no joint of classes and regions; train a cape or calm head,"
                " or take one of the methods for pooled heads"
            )
        return self.head.joint(self.backbone(inputs))


def build_network(
    spec: NetworkSpec,
    *,
    weights: str | Path = PRETRAINED,
    size: tuple[int, int] = (224, 224),
    seed: int = 0,
) -> RegionNetwork:
    """Build a network in eval mode; the heads' weights are drawn from ``seed``.

    Args:
        spec: what to build.
        weights: of the backbone, see :func:`build_backbone`.
        size: rows and columns of the inputs it is built for.
        seed: of all weights that are drawn.

    Raises:
        ModelError: the backbone cannot be built.
        SettingError: an option is out of range.
    """
    backbone = build_backbone(spec.backbone, weights=weights, size=size, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = build_head(spec, backbone.channels)
        vanilla = Pooled(backbone.channels, spec.classes) if spec.vanilla else None
    return RegionNetwork(backbone, head, vanilla).eval()


def build_head(spec: NetworkSpec, channels: int) -> JointHead | Pooled:
    """Build the head alone, for a map of so many channels."""
    return _HEADS[spec.head](channels, spec.classes, **spec.head_options)
