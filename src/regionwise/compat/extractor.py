"""What all classes of :mod:`regionwise.compat.torchcam` have in common."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import interpolate

from regionwise.attribution.asked import MethodLike
from regionwise.attribution.explain import explain
from regionwise.attribution.result import Attribution
from regionwise.compat.reshaping import Reshape, check_reshape
from regionwise.errors import InputError, SettingError, TargetError
from regionwise.evidence.masking import is_constant, min_max
from regionwise.evidence.targets import TargetSpec
from regionwise.evidence.watching import Watch
from regionwise.models.layers import find_layer
from regionwise.models.wrappers import unwrap

OutputTarget: TypeAlias = Callable[[Tensor], Tensor]
Layer: TypeAlias = nn.Module | str
ClassIndex: TypeAlias = int | list[int]


class Extractor:
    """One method with the calls of torch-cam."""

    method: MethodLike

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | list[Layer] | None = None,
        input_shape: tuple[int, ...] = (3, 224, 224),  # noqa: ARG002 - the signature is theirs
        enable_hooks: bool = True,  # noqa: FBT001, FBT002
        reshape_transform: Reshape | None = None,
    ) -> None:
        if reshape_transform is not None and target_layer is None:
            raise SettingError("a reshape_transform belongs to a layer; give target_layer, too")
        self.model = model
        given = target_layer if isinstance(target_layer, list) else [target_layer]
        self.target_names = [layer_name(model, layer) for layer in given]
        self._reshape = reshape_transform
        self._watch = Watch(model, enabled=enable_hooks)

    def __call__(
        self,
        class_idx: ClassIndex | None = None,
        scores: Tensor | None = None,
        normalized: bool = True,  # noqa: FBT001, FBT002 - the signature is theirs
        *,
        targets: OutputTarget | list[OutputTarget] | None = None,
        retain_graph: bool = False,  # noqa: ARG002
    ) -> list[Float[Tensor, "n i j"]]:
        """Return the maps of the last input, one tensor for each target layer.

        Args:
            class_idx: one class for all images, or a list with one for each.
            scores: the model's output; only its length is looked at.
            normalized: scale each map to [0, 1].
            targets: instead of classes: a function of one image's output, or one for each image.
            retain_graph: changes nothing; your graph is left alone.

        Raises:
            InputError: the model has not run, or on something else than ``scores`` tells.
            TargetError: not exactly one of ``class_idx`` and ``targets``, or of the wrong number.
        """
        inputs = self._last_input(scores)
        spec = _spec(class_idx, targets, len(inputs))
        enabled, self._watch.enabled = self._watch.enabled, False
        try:
            maps = [self._map(inputs, spec, layer) for layer in self.target_names]
        finally:
            self._watch.enabled = enabled
        return [_normalised(one) if normalized else one for one in maps]

    def enable_hooks(self) -> None:
        """Keep what the model sees from now on."""
        self._watch.enabled = True

    def disable_hooks(self) -> None:
        """Do not keep what the model sees from now on."""
        self._watch.enabled = False

    def reset_hooks(self) -> None:
        """Forget what the model saw."""
        self._watch.forget()

    def remove_hooks(self) -> None:
        """Take the hook off the model."""
        self._watch.close()

    def __enter__(self) -> Extractor:  # noqa: PYI034 - beartype has no Self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the model without a trace; no error is swallowed."""
        self.remove_hooks()
        self.reset_hooks()

    def __repr__(self) -> str:
        """Name the method and its layers."""
        return f"{type(self).__name__}(target_layer={self.target_names})"

    @classmethod
    def fuse_cams(
        cls, cams: list[Float[Tensor, "n _ _"]], target_shape: tuple[int, int] | None = None
    ) -> Float[Tensor, "n i j"]:
        """Return the largest value of several layers' maps at each place.

        The maps are upsampled bilinearly to ``target_shape``, by default to the largest of them. A
        single map is returned as it is.

        Raises:
            InputError: there is no map.
        """
        if not cams:
            raise InputError("there are no maps to fuse; give what the extractor returned")
        if len(cams) == 1:
            return cams[0]
        largest = (max(c.shape[1] for c in cams), max(c.shape[2] for c in cams))
        shape = largest if target_shape is None else target_shape
        stretched = [
            interpolate(cls._scaled(cam)[None], shape, mode="bilinear", align_corners=False)[0]
            for cam in cams
        ]
        return torch.stack(stretched).amax(dim=0)

    @staticmethod
    def _scaled(cam: Float[Tensor, "n i j"]) -> Float[Tensor, "n i j"]:
        """Return a map as it goes into a fusion."""
        return cam

    def _map(self, inputs: Tensor, spec: TargetSpec, layer: str | None) -> Float[Tensor, "n i j"]:
        if self._reshape is not None:
            check_reshape(self._reshape, self.model, inputs, layer)
        found = explain(self.model, inputs, self.method, spec, layer)
        self._check(found)
        return found.maps[:, 0]

    def _check(self, found: Attribution) -> None:
        """Refuse what a method cannot honour."""

    def _last_input(self, scores: Tensor | None) -> Tensor:
        inputs = self._watch.last
        if scores is not None and len(scores) != len(inputs):
            raise InputError(
                f"scores of {len(scores)} images, but the model last saw {len(inputs)}"
            )
        return inputs


def layer_name(model: nn.Module, layer: Layer | None) -> str | None:
    """Return the name of a layer; ``None`` stands for the default, found when the model has run."""
    return None if layer is None else find_layer(unwrap(model), layer)[0]


def _spec(
    class_idx: ClassIndex | None, targets: OutputTarget | list[OutputTarget] | None, count: int
) -> TargetSpec:
    """Return what is to be explained of each of ``count`` images."""
    if (class_idx is None) == (targets is None):
        raise TargetError("give either class_idx or targets, not both and not neither")
    if targets is None:
        return class_idx
    functions = targets if isinstance(targets, list) else [targets] * count
    if len(functions) != count:
        raise TargetError(f"{len(functions)} targets for {count} images: give one per image")

    def scores(logits: Tensor) -> Tensor:
        found = [f(row).reshape(()) for f, row in zip(functions, logits, strict=True)]
        return torch.stack(found)

    return scores


def _normalised(maps: Float[Tensor, "n *d i j"]) -> Float[Tensor, "n *d i j"]:
    """Scale the map of each image to [0, 1]; a constant one becomes 0."""
    flat = maps.flatten(1, -2)
    return min_max(flat, constant=is_constant(flat)).view_as(maps)
