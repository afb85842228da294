"""The architectures that the layer resolver is held against, and how a network is woken.

Freshly built, some networks are asleep: their head is zero, or their LayerScale lets nothing
through. Every map of such a network is blank, and every comparison of blank maps passes.
"""

from dataclasses import dataclass, field
from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision import models

CLASSES = 10
_DRAWING = {Tensor.normal_, Tensor.uniform_, Tensor.erfinv_}


@dataclass(frozen=True)
class Architecture:
    """A network to build: where it is from, at which input size, and with which options."""

    source: str
    size: tuple[int, int] = (96, 128)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.source.partition(":")[2]

    def build(self) -> nn.Module:
        """Build it in eval mode, with random weights, awake."""
        library, _, name = self.source.partition(":")
        torch.manual_seed(0)
        if library == "timm":
            model = timm.create_model(name, num_classes=CLASSES, **self.options)
            return calibrate(wake(model.eval(), seed=1), self.size)
        with _Undrawn():
            model = models.get_model(name, weights=None, num_classes=CLASSES, **self.options)
        draw(model, seed=0)
        return calibrate(wake(model.eval(), seed=1), self.size)


class _Undrawn(TorchFunctionMode):
    """Build without drawing numbers, which takes longer than all else; `draw` does it later."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        # zeros, for torch draws truncated normals until all lie between the bounds
        return args[0].zero_() if func in _DRAWING else func(*args, **(kwargs or {}))


def draw(model: nn.Module, *, seed: int) -> None:
    """Draw every weight of two or more axes with variance 2 / fan-in."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "layer_scale" not in name:
                noise = torch.empty(min(parameter.numel(), 999_983)).normal_(generator=generator)
                times = -(-parameter.numel() // len(noise))
                fan_in = parameter[0].numel()
                filled = noise.repeat(times)[: parameter.numel()].view_as(parameter)
                parameter.copy_(filled * (2 / fan_in) ** 0.5)
            elif name.endswith("bias"):
                parameter.zero_()


def wake(model: nn.Module, *, seed: int) -> nn.Module:
    """Give what is (almost) zero a value: heads, LayerScale, zero-initialised norms, biases.

    Weights that are awake are left alone. Works in place, and returns the model.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not parameter.is_floating_point() or not _asleep(name, parameter):
                continue
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            if _matrix(parameter):
                parameter.copy_(noise * (1 / parameter[0].numel()) ** 0.5)
            elif name.endswith(("bias", "pos_embed", "token", "_tokens")):
                parameter.copy_(noise * 0.05)
            else:
                parameter.copy_(0.5 + 0.1 * noise)
    return model


def calibrate(model: nn.Module, size: tuple[int, int]) -> nn.Module:
    """Let batch normalisation see noise once, so that signals neither fade nor explode."""
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    noise = torch.randn(4, 3, *size, generator=torch.Generator().manual_seed(2))
    for norm in norms:
        norm.train().momentum = 1.0
    with torch.no_grad():
        model(noise) if norms else None
    for norm in norms:
        norm.eval().momentum = 0.1
    return model


def _matrix(parameter: Tensor) -> bool:
    return sum(length > 1 for length in parameter.shape) > 1


def _asleep(name: str, parameter: Tensor) -> bool:
    """A matrix a hundred times weaker than usual, or a vector close to zero."""
    strength = float(parameter.abs().mean())
    usual = (1 / max(1, parameter[0].numel())) ** 0.5 if _matrix(parameter) else 1.0
    return strength < (0.01 if _matrix(parameter) else 0.15) * usual


def _torchvision() -> list[Architecture]:
    found = []
    for name in models.list_models(module=models):
        options: dict[str, Any] = {}
        size = (96, 128)
        if name in {"googlenet", "inception_v3"}:
            options, size = {"init_weights": False}, (128, 160)
        elif name == "maxvit_t":
            size = (224, 224)
        elif name.startswith("vit_"):
            patch = int(name.rpartition("_")[2])
            options, size = {"image_size": 4 * patch}, (4 * patch, 4 * patch)
        found.append(Architecture(f"torchvision:{name}", size, options))
    return found


TORCHVISION = _torchvision()

TIMM = [
    Architecture("timm:resnet18"),
    Architecture("timm:resnext26ts"),
    Architecture("timm:regnetx_002"),
    Architecture("timm:regnety_002"),
    Architecture("timm:densenet121"),
    Architecture("timm:efficientnet_b0"),
    Architecture("timm:tf_efficientnetv2_b0"),
    Architecture("timm:mobilenetv2_035"),
    Architecture("timm:mobilenetv3_small_050"),
    Architecture("timm:mobilenetv4_conv_small_035"),
    Architecture("timm:convnext_zepto_rms"),
    Architecture("timm:convnext_atto"),
    Architecture("timm:convnextv2_atto"),
    Architecture("timm:vgg11_bn", (64, 96)),
    Architecture("timm:inception_v3", (128, 160)),
    Architecture("timm:inception_v4", (128, 160)),
    Architecture("timm:inception_next_atto"),
    Architecture("timm:vit_tiny_patch16_224", (64, 96), {"img_size": (64, 96)}),
    Architecture("timm:vit_small_patch32_224", (128, 96), {"img_size": (128, 96)}),
    Architecture("timm:vit_base_patch16_siglip_224", (64, 96), {"img_size": (64, 96), "depth": 3}),
    Architecture(
        "timm:vit_base_patch16_siglip_gap_224", (64, 96), {"img_size": (64, 96), "depth": 3}
    ),
    Architecture("timm:deit_tiny_patch16_224", (64, 96), {"img_size": (64, 96)}),
    Architecture("timm:deit_tiny_distilled_patch16_224", (64, 96), {"img_size": (64, 96)}),
    Architecture("timm:deit3_small_patch16_224", (64, 96), {"img_size": (64, 96)}),
    Architecture(
        "timm:swin_tiny_patch4_window7_224", (64, 96), {"img_size": (64, 96), "window_size": 2}
    ),
    Architecture("timm:swinv2_tiny_window8_256", (64, 128), {"img_size": (64, 128)}),
    Architecture("timm:swinv2_cr_tiny_224", (64, 128), {"img_size": (64, 128)}),
    Architecture("timm:beit_base_patch16_224", (64, 96), {"img_size": (64, 96), "depth": 4}),
    Architecture("timm:beitv2_base_patch16_224", (64, 96), {"img_size": (64, 96), "depth": 4}),
    Architecture("timm:eva02_tiny_patch14_224", (56, 84), {"img_size": (56, 84)}),
    Architecture("timm:vit_small_patch14_dinov2", (56, 84), {"img_size": (56, 84)}),
    Architecture("timm:vit_small_patch14_reg4_dinov2", (56, 84), {"img_size": (56, 84)}),
    Architecture("timm:vit_tiny_patch16_dinov3_qkvb", (64, 96), {"img_size": (64, 96)}),
    Architecture("timm:maxvit_pico_rw_256", (64, 64), {"img_size": 64}),
    Architecture("timm:maxvit_tiny_tf_224", (64, 64), {"img_size": 64}),
    Architecture("timm:coatnet_pico_rw_224", (64, 64), {"img_size": 64}),
    Architecture("timm:coatnet_nano_rw_224", (64, 96), {"img_size": (64, 96)}),
    Architecture("timm:poolformer_s12"),
    Architecture("timm:poolformerv2_s12"),
    Architecture("timm:caformer_s18"),
    Architecture("timm:mixer_s32_224", (96, 96), {"img_size": 96}),
    Architecture("timm:gmixer_12_224", (64, 64), {"img_size": 64}),
    Architecture("timm:resmlp_12_224", (64, 64), {"img_size": 64}),
    Architecture("timm:gmlp_ti16_224", (64, 64), {"img_size": 64}),
    Architecture("timm:convmixer_768_32", (56, 70)),
    Architecture("timm:cait_xxs24_224", (64, 64), {"img_size": 64}),
    Architecture("timm:xcit_nano_12_p16_224", (64, 96), {"img_size": (64, 96)}),
    Architecture("timm:pit_ti_224", (96, 96), {"img_size": 96}),
    Architecture("timm:pvt_v2_b0"),
    Architecture("timm:twins_svt_small", (64, 64), {"img_size": 64}),
    Architecture("timm:davit_tiny", (64, 96)),
    Architecture("timm:focalnet_tiny_srf"),
    Architecture("timm:mvitv2_tiny", (64, 64), {"img_size": (64, 64)}),
    Architecture("timm:hiera_tiny_224", (64, 96), {"img_size": (64, 96)}),
    Architecture("timm:levit_128s", (96, 96), {"img_size": 96}),
    Architecture("timm:tiny_vit_5m_224", (64, 96)),
    Architecture("timm:efficientformer_l1", (224, 224)),
    Architecture("timm:efficientvit_b0"),
    Architecture("timm:fastvit_t8"),
    Architecture("timm:mobilevit_xxs"),
    Architecture("timm:edgenext_xx_small"),
    Architecture("timm:nfnet_l0"),
    Architecture("timm:repvgg_a0"),
    Architecture("timm:hrnet_w18_small"),
    Architecture("timm:ghostnet_050"),
    Architecture("timm:senet154", (64, 64), {"layers": (1, 1, 1, 1)}),
    Architecture("timm:xception41"),
    Architecture("timm:dpn48b"),
    Architecture("timm:resnet50_clip_gap", (96, 128)),
    Architecture("timm:crossvit_tiny_240", (240, 240)),
    Architecture("timm:volo_d1_224", (64, 64), {"img_size": 64}),
    Architecture("timm:nest_tiny", (64, 64), {"img_size": 64}),
    Architecture("timm:coat_lite_tiny", (64, 64), {"img_size": 64}),
]

ALL = [*TORCHVISION, *TIMM]
