"""What the layer resolver makes of an architecture, measured."""

from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor, nn

from architectures import Architecture
from regionwise import Probe
from regionwise.attribution.grad_cam import grad_cam_map
from regionwise.errors import ModelError
from regionwise.evidence.tracing import trace_layers

NEEDS = frozenset({"gradients", "tail", "pooled-head"})
SILENT = ("Pool", "Dropout", "DropPath", "Identity", "Flatten", "Permute")


@dataclass(frozen=True)
class Measured:
    """One row of the table.

    Attributes:
        size: rows and columns of the input.
        layer: the name of the layer chosen.
        kind: its class.
        reading: nchw, nhwc, or tokens and how many lead.
        grid: rows and columns of the map.
        channels: of the layer.
        cam: whether the network behind is pooling and one linear layer.
        behind: the modules that run behind the layer.
        tail: replay or full.
        corners: of the image's four corners, those that move their own corner of the map most;
            ``None`` for nchw, where nothing can be read in the wrong order.
        contrast: how much the signed maps of the two top classes differ, in units of the larger.
        in_attention: the layer is part of an attention block.
    """

    size: tuple[int, int]
    layer: str
    kind: str
    reading: str
    grid: tuple[int, int]
    channels: int
    cam: bool
    behind: str
    tail: str
    corners: int | None
    contrast: float
    in_attention: bool


def measure(architecture: Architecture) -> Measured:
    model = architecture.build()
    inputs = torch.randn(2, 3, *architecture.size, generator=torch.Generator().manual_seed(3))
    with Probe(model, inputs, "top-2", needs=NEEDS) as probe:
        maps = grad_cam_map(probe.activations, probe.gradients, relu=False)
        grid, layer = probe.grid, probe.layer
        cam, tail, channels = pooled(probe), probe.tail.mode, probe.activations.shape[1]
    records = trace_layers(model, inputs)
    chosen = [r for r in records if r.name == layer][-1]
    return Measured(
        size=architecture.size,
        layer=layer,
        kind=chosen.kind,
        reading=f"{grid.layout}{f', {grid.prefix} lead' if grid.prefix else ''}",
        grid=(grid.rows, grid.columns),
        channels=channels,
        cam=cam,
        behind=behind(model, [r.name for r in records[records.index(chosen) + 1 :]]),
        tail=tail,
        corners=None if grid.layout == "nchw" else corners(model, layer, inputs[:1]),
        contrast=float((maps[:, 0] - maps[:, 1]).abs().max() / maps.abs().max()),
        in_attention=chosen.in_attention,
    )


def pooled(probe: Probe) -> bool:
    try:
        return probe.pooled_head is not None
    except ModelError:
        return False


def behind(model: nn.Module, names: list[str]) -> str:
    """The kinds of the leaf modules that finished behind the layer, the silent ones left out."""
    modules = [model.get_submodule(name) for name in names]
    leaves = [type(m).__name__ for m in modules if not list(m.children())]
    audible = [kind for kind in leaves if not any(word in kind for word in SILENT)]
    runs = [(kind, len(list(run))) for kind, run in groupby(audible)]
    shown = [kind if times == 1 else f"{times} {kind}" for kind, times in runs]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:3], "...", *shown[-2:]])


def corners(model: nn.Module, layer: str, image: Tensor) -> int:
    """Change one corner of the image at a time; count where it moves that corner of the map most.

    Most, that is, beyond what that change moves everywhere and what always moves there: squeeze
    and excitation, attention and wide receptive fields carry every change to every cell.
    """
    plain = activations(model, layer, image)
    high, wide = image.shape[2] // 4, image.shape[3] // 4
    moved = torch.empty(4, 4)
    for number in range(4):
        y = slice(-high, None) if number // 2 else slice(0, high)
        x = slice(-wide, None) if number % 2 else slice(0, wide)
        changed = image.clone()
        changed[:, :, y, x] *= -3
        cells = (activations(model, layer, changed) - plain).double().norm(dim=1)[0]
        moved[number] = cells[[0, 0, -1, -1], [0, -1, 0, -1]].clamp_min(1e-30).log()
    centred = moved - moved.mean(dim=1, keepdim=True)
    return int((centred.argmax(dim=0) == torch.arange(4)).sum())


def activations(model: nn.Module, layer: str, image: Tensor) -> Tensor:
    with Probe(model, image, 0, layer, needs=frozenset()) as probe:
        return probe.activations
