"""Peers, each as its documentation calls it, from inputs to maps at the size of the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytorch_grad_cam as pgc
import torch
from captum.attr import IntegratedGradients, LayerGradCam, NoiseTunnel, Saliency
from pytorch_grad_cam.ablation_layer import AblationLayerVit
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

# their progress bars would write over ours
for module in (pgc.score_cam, pgc.ablation_cam):
    module.tqdm = SimpleNamespace(tqdm=iter)

OF_PGC = {
    "grad-cam": pgc.GradCAM,
    "grad-cam++": pgc.GradCAMPlusPlus,
    "xgrad-cam": pgc.XGradCAM,
    "layer-cam": pgc.LayerCAM,
    "score-cam": pgc.ScoreCAM,
}
OF_TORCH_CAM = {
    "cam": torchcam.CAM,
    "grad-cam": torchcam.GradCAM,
    "grad-cam++": torchcam.GradCAMpp,
    "xgrad-cam": torchcam.XGradCAM,
    "layer-cam": torchcam.LayerCAM,
    "score-cam": torchcam.ScoreCAM,
    "smooth-grad-cam++": torchcam.SmoothGradCAMpp,
}
FORWARD_ONLY = {"cam", "score-cam"}
MORE = {"cam": {"fc_layer": "fc"}}


def pytorch_grad_cam(method: str, model: nn.Module, inputs: Tensor, layer: str) -> Any:
    """Return the maps n h w of class 0; Score-CAM in batches of 16 masks."""
    targets = [ClassifierOutputTarget(0)] * len(inputs)
    with OF_PGC[method](model=model, target_layers=[model.get_submodule(layer)]) as cam:
        cam.batch_size = 16
        return cam(input_tensor=inputs, targets=targets)


def torch_cam(method: str, model: nn.Module, inputs: Tensor, layer: str, **options: Any) -> Tensor:
    """Return the maps n h w of class 0."""
    classes = [0] * len(inputs)
    with OF_TORCH_CAM[method](model, layer, **MORE.get(method, {}), **options) as extractor:
        with torch.inference_mode(mode=method in FORWARD_ONLY):
            logits = model(inputs)
        maps = extractor(classes, logits)[0]
    return upsampled(maps[:, None], inputs)


def captum_grad_cam(model: nn.Module, inputs: Tensor, layer: str) -> Tensor:
    """Return Grad-CAM n h w of class 0."""
    explain = LayerGradCam(model, model.get_submodule(layer))
    return upsampled(explain.attribute(inputs, target=0, relu_attributions=True), inputs)


def captum_integrated_gradients(model: nn.Module, inputs: Tensor, steps: int) -> Tensor:
    """Return integrated gradients n h w of class 0, summed over colours."""
    found = IntegratedGradients(model).attribute(inputs, target=0, n_steps=steps)
    return found.detach().sum(dim=1)


def captum_smooth_grad(model: nn.Module, inputs: Tensor, samples: int) -> Tensor:
    """Return SmoothGrad n h w of class 0, the largest over colours; 15 % noise."""
    spread = float(0.15 * (inputs.amax() - inputs.amin()))
    found = NoiseTunnel(Saliency(model)).attribute(
        inputs, nt_type="smoothgrad", nt_samples=samples, stdevs=spread, target=0, abs=False
    )
    return found.detach().abs().amax(dim=1)


def pgc_ablation_cam(
    model: nn.Module, inputs: Tensor, layer: str, grid: tuple[int, int] | None = None
) -> Any:
    """Return Ablation-CAM n h w of class 0; ``grid`` for a network of tokens with one in front."""
    more: dict[str, Any] = {}
    if grid is not None:
        more = {"reshape_transform": as_map(grid), "ablation_layer": AblationLayerVit()}
    targets = [ClassifierOutputTarget(0)] * len(inputs)
    layers = [model.get_submodule(layer)]
    with pgc.AblationCAM(model=model, target_layers=layers, batch_size=32, **more) as cam:
        return cam(input_tensor=inputs, targets=targets)


def pgc_one_after_another(
    methods: Sequence[str], model: nn.Module, inputs: Tensor, layer: str
) -> list[Any]:
    """Return the maps of several methods, in a loop as in its documentation."""
    targets = [ClassifierOutputTarget(0)] * len(inputs)
    maps = []
    for method in methods:
        with OF_PGC[method](model=model, target_layers=[model.get_submodule(layer)]) as cam:
            maps.append(cam(input_tensor=inputs, targets=targets))
    return maps


def torch_cam_one_after_another(
    methods: Sequence[str], model: nn.Module, inputs: Tensor, layer: str
) -> list[Tensor]:
    """Return the maps of several methods, in a loop as in its documentation.

    The name ``scores`` keeps a graph until the next forward pass is done.
    """
    maps = []
    for method in methods:
        with OF_TORCH_CAM[method](model, layer, **MORE.get(method, {})) as extractor:
            scores = model(inputs)
            found = extractor([0] * len(inputs), scores)[0]
            maps.append(upsampled(found[:, None], inputs))
    return maps


def as_map(grid: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    """Return what turns tokens n (1 + i j) k into maps n k i j."""
    return lambda tokens: tokens[:, 1:].unflatten(1, grid).movedim(3, 1)


def upsampled(maps: Tensor, inputs: Tensor) -> Tensor:
    """Return n 1 i j at the size of the inputs, n h w."""
    found = nn.functional.interpolate(maps, inputs.shape[-2:], mode="bilinear")
    return found[:, 0].detach()
