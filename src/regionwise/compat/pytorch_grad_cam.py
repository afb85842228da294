"""The classes of pytorch-grad-cam 1.5, computed by Regionwise.

>>> from regionwise.compat.pytorch_grad_cam import GradCAM, ClassifierOutputTarget

As there: maps are float32 arrays n h w at input size, minimum 0 and maximum 1 each; several layers
are averaged; ``targets=None`` explains the top class. Otherwise than there: the model is left as it
was, a wrong number of targets is refused, and layers may be given by name. Tokens and
channels-last maps are read as grids without a ``reshape_transform``: one that is given is held
against that reading, at the cost of a forward pass, and refused where it reads other cells.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from regionwise.attribution.explain import explain
from regionwise.compat.reshaping import Reshape, check_reshape
from regionwise.errors import SettingError, TargetError
from regionwise.evidence.masking import upsample
from regionwise.evidence.targets import TargetSpec
from regionwise.shapes import Maps

Target = Callable[[Tensor], Tensor]


class ClassifierOutputTarget:
    """The logit of one class, of one image's output y."""

    def __init__(self, category: int) -> None:
        self.category = category

    def __call__(self, model_output: Tensor) -> Tensor:
        """Return the logit."""
        return model_output[..., self.category]


class _CAM:
    """One method with the call of pytorch-grad-cam."""

    method: ClassVar[str]

    def __init__(
        self,
        model: nn.Module,
        target_layers: Sequence[nn.Module | str],
        reshape_transform: Reshape | None = None,
    ) -> None:
        if not target_layers:
            raise SettingError("target_layers is empty; give a list of modules or names")
        self.model = model
        self.target_layers = list(target_layers)
        self.reshape_transform = reshape_transform

    def __call__(
        self,
        input_tensor: Tensor,
        targets: Sequence[Target] | None = None,
        aug_smooth: bool = False,  # noqa: FBT001, FBT002 - the signature is theirs
        eigen_smooth: bool = False,  # noqa: FBT001, FBT002
    ) -> NDArray[np.float32]:
        """Return one map per image, n h w.

        Raises:
            SettingError: smoothing was asked for, which is not offered here; or the
                ``reshape_transform`` reads other cells than Regionwise does.
        """
        if aug_smooth or eigen_smooth:
            raise SettingError(
                "aug_smooth and eigen_smooth are not offered; the nearest methods are"
                " 'augmented-grad-cam' and 'eigen-cam'"
            )
        spec = _spec(targets, len(input_tensor))
        size = (input_tensor.shape[2], input_tensor.shape[3])
        maps = [
            upsample(_scaled(self._maps(input_tensor, spec, layer)), size)
            for layer in self.target_layers
        ]
        averaged = _scaled(torch.stack(maps).mean(dim=0).relu())
        found: NDArray[np.float32] = averaged[:, 0].float().cpu().numpy()
        return found

    def _maps(self, inputs: Tensor, spec: TargetSpec, layer: nn.Module | str) -> Maps:
        if self.reshape_transform is not None:
            check_reshape(self.reshape_transform, self.model, inputs, layer)
        return explain(self.model, inputs, self.method, spec, layer).maps

    def __enter__(self) -> _CAM:  # noqa: PYI034 - beartype has no Self
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Do nothing: no hooks are left to remove, and no error is swallowed."""


def _spec(targets: Sequence[Target] | None, count: int) -> TargetSpec:
    if targets is None:
        return None
    if len(targets) != count:
        raise TargetError(f"{len(targets)} targets for {count} images: give one per image")
    if all(isinstance(target, ClassifierOutputTarget) for target in targets):
        return [int(target.category) for target in targets]  # type: ignore[attr-defined]

    def scores(logits: Tensor) -> Tensor:
        found: list[Any] = [t(row) for t, row in zip(targets, logits, strict=True)]
        return torch.stack(found)

    return scores


def _scaled(maps: Tensor) -> Tensor:
    """Cut negative values; let each map begin at 0 and end at 1, a constant one be zero."""
    lifted = maps.relu() - maps.relu().amin(dim=(2, 3), keepdim=True)
    highest = lifted.amax(dim=(2, 3), keepdim=True)
    return torch.where(highest > 0, lifted / highest, torch.zeros_like(lifted))


class GradCAM(_CAM):
    """Grad-CAM."""

    method = "grad-cam"


class GradCAMPlusPlus(_CAM):
    """Grad-CAM++, Eq. 19 (theirs adds 1e-6 to the denominator, which small gradients feel)."""

    method = "grad-cam++"


class XGradCAM(_CAM):
    """XGrad-CAM."""

    method = "xgrad-cam"


class LayerCAM(_CAM):
    """Layer-CAM."""

    method = "layer-cam"


class HiResCAM(_CAM):
    """HiRes-CAM."""

    method = "hires-cam"


class ScoreCAM(_CAM):
    """Score-CAM as pytorch-grad-cam has it: logits, a softmax over channels."""

    method = "score-cam:variant=pytorch-grad-cam"


class AblationCAM(_CAM):
    """Ablation-CAM, all channels."""

    method = "ablation-cam:variant=paper"


class EigenCAM(_CAM):
    """Eigen-CAM; the sign is chosen, theirs is left to the decomposition."""

    method = "eigen-cam:variant=centred"
