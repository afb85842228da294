"""Ablation-CAM: only what lies behind the layer runs again, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from torch import Tensor, nn

from bench import peers, plain
from bench.agreement import difference
from bench.groups import Case, Group, rounding, three_ways
from bench.measuring import Contender
from bench.networks import network, pictures, transformer
from bench.settings import Settings
from regionwise import explain

PATCHES = (14, 14)
SMALL, LARGE = "vit_tiny_patch16_224", "vit_base_patch16_224"


def groups(settings: Settings) -> Iterator[Group]:
    """Yield pooling and linear, and transformers; those that take minutes a turn if asked."""
    networks = ["resnet18"] + (["resnet50"] if settings.full else [])
    for name in networks:
        yield Group("ablation-cam", name, partial(pooled_case, name))
    for name in [SMALL] + ([LARGE] if settings.full else []):
        yield Group("ablation-cam", name, partial(transformer_case, name))


def pooled_case(name: str, settings: Settings) -> Case:
    """Build ours against pytorch-grad-cam, which runs the whole network for every channel."""
    model = network(name, settings.device)
    image = pictures(1, settings.ablated_size, settings.device)

    def literal(network: nn.Module, inputs: Tensor) -> Tensor:
        tail = nn.Sequential(network.avgpool, nn.Flatten(), network.fc)
        return plain.ablation_cam(network, inputs, "layer4", tail)

    def apart() -> float:
        maps = explain(model, image, "ablation-cam", 0, "layer4").maps
        return difference(maps, literal(model, image))

    return Case(
        contenders=[
            Contender("ours", partial(ours, model, image, "layer4")),
            Contender(
                "pytorch-grad-cam",
                partial(peers.pgc_ablation_cam, model, image, "layer4"),
                warm=False,
            ),
        ],
        checks={
            "difference": apart,
            "rounding": lambda: rounding(*three_ways(literal, model, image)),
        },
        facts={"size": settings.ablated_size},
        pairs=min(settings.pairs, settings.ablated_pairs if name == "resnet18" else 2),
    )


def ours(model: nn.Module, image: Tensor, layer: str) -> Tensor:
    """Return the map 1 1 h w at the size of the image."""
    return explain(model, image, "ablation-cam", 0, layer).saliency()


def transformer_case(name: str, settings: Settings) -> Case:
    """Build ours against pytorch-grad-cam in front of the last block."""
    model, image = transformer(name, settings.device), pictures(1, 224, settings.device)
    layer = f"blocks.{len(model.blocks) - 1}.norm1"
    return Case(
        contenders=[
            Contender("ours", partial(ours, model, image, layer)),
            Contender(
                "pytorch-grad-cam",
                partial(peers.pgc_ablation_cam, model, image, layer, PATCHES),
                warm=False,
            ),
        ],
        facts={"layer": layer},
        pairs=settings.pairs if name == SMALL else 2,
    )
