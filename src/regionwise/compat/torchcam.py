"""The classes of torch-cam 0.5 (``torchcam.methods``), computed by Regionwise.

>>> from regionwise.compat.torchcam import GradCAM, LayerCAM

As there: the model is run by you, inside the ``with``; the extractor then gives a list with one
tensor n i j for each target layer, at the layer's own resolution, minimum 0 and maximum 1 unless
``normalized=False``.

Otherwise than there:

- Each call runs the model again, on the input that it saw last, in evaluation mode. The graph of
  your own forward pass is not used: ``scores`` only say how many images there were, and
  ``retain_graph`` changes nothing.
- :class:`GradCAMpp` is Eq. 19 of its paper; theirs divides a copy, which leaves alpha = g^2.
- The default layer is the last one with a map through which the score goes, found when the model
  has run; ``input_shape`` is not needed for that.
- The noise of :class:`SSCAM` and :class:`SmoothGradCAMpp` is drawn from a ``seed``.
- A constant map becomes 0; tokens and channels-last maps are read as grids without a
  ``reshape_transform``, and one that reads them in another way is refused.
- Wrong classes, layers and targets are refused with Regionwise's errors.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regionwise.attribution import score_cam, smooth_grad_cam_pp, smooth_score_cam
from regionwise.attribution.result import Attribution
from regionwise.compat.extractor import Extractor, Layer, OutputTarget, layer_name
from regionwise.errors import SettingError
from regionwise.evidence.scoring import CHUNK

_SHAPE = (3, 224, 224)

__all__ = [
    "CAM",
    "ISCAM",
    "SSCAM",
    "GradCAM",
    "GradCAMpp",
    "LayerCAM",
    "OutputTarget",
    "ScoreCAM",
    "SmoothGradCAMpp",
    "XGradCAM",
]


class CAM(Extractor):
    """CAM of one layer; ``fc_layer`` is found, and one that is given is held against it."""

    method = "cam"

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | list[Layer] | None = None,
        fc_layer: Layer | None = None,
        input_shape: tuple[int, ...] = _SHAPE,
        **kwargs: Any,
    ) -> None:
        if isinstance(target_layer, list) and len(target_layer) > 1:
            raise SettingError("CAM reads the one layer before the pooling; give one target_layer")
        self._linear = layer_name(model, fc_layer)
        super().__init__(model, target_layer, input_shape, **kwargs)

    def _check(self, found: Attribution) -> None:
        own = found.details["linear"]
        if self._linear not in {None, own}:
            raise SettingError(
                f"fc_layer is {self._linear!r}, but what follows the pooling is {own!r};"
                " leave fc_layer out"
            )


class GradCAM(Extractor):
    """Grad-CAM."""

    method = "grad-cam"


class GradCAMpp(Extractor):
    """Grad-CAM++, Eq. 19; ``grad-cam++:variant=torch-cam`` gives their maps."""

    method = "grad-cam++"


class XGradCAM(Extractor):
    """XGrad-CAM."""

    method = "xgrad-cam"


class LayerCAM(Extractor):
    """Layer-CAM; maps of several layers are fused as tanh(2 M), Eq. 9 of its paper."""

    method = "layer-cam"

    @staticmethod
    def _scaled(cam: Float[Tensor, "n i j"]) -> Float[Tensor, "n i j"]:
        return torch.tanh(2 * cam)


class SmoothGradCAMpp(Extractor):
    """Smooth Grad-CAM++ as torch-cam has it."""

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | list[Layer] | None = None,
        num_samples: int = 4,
        std: float = 0.3,
        input_shape: tuple[int, ...] = _SHAPE,
        *,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, target_layer, input_shape, **kwargs)
        self.method = smooth_grad_cam_pp.SmoothGradCAMpp(num_samples, std, "torch-cam", seed)


class ScoreCAM(Extractor):
    """Score-CAM as torch-cam has it: logits, a softmax over channels."""

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | list[Layer] | None = None,
        batch_size: int = CHUNK,
        input_shape: tuple[int, ...] = _SHAPE,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, target_layer, input_shape, **kwargs)
        self.method = score_cam.ScoreCAM("torch-cam", chunk=batch_size)


class SSCAM(Extractor):
    """SS-CAM as torch-cam has it."""

    def __init__(  # noqa: PLR0913 - the signature is theirs
        self,
        model: nn.Module,
        target_layer: Layer | list[Layer] | None = None,
        batch_size: int = CHUNK,
        num_samples: int = 35,
        std: float = 2.0,
        input_shape: tuple[int, ...] = _SHAPE,
        *,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, target_layer, input_shape, **kwargs)
        self.method = smooth_score_cam.SSCAM(num_samples, std, "torch-cam", seed, chunk=batch_size)


class ISCAM(Extractor):
    """IS-CAM as torch-cam has it: the mask grows to (N + 1) / 2."""

    def __init__(
        self,
        model: nn.Module,
        target_layer: Layer | list[Layer] | None = None,
        batch_size: int = CHUNK,
        num_samples: int = 10,
        input_shape: tuple[int, ...] = _SHAPE,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, target_layer, input_shape, **kwargs)
        self.method = smooth_score_cam.ISCAM(num_samples, "torch-cam", chunk=batch_size)
