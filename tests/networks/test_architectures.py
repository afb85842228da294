"""The layer chosen in every architecture: a few by default, all of them under `slow`."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from architectures import ALL, Architecture, draw, wake
from measured import measure

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from network_table import known_rows, line  # noqa: E402

QUICK = {
    "torchvision:resnet18",
    "torchvision:squeezenet1_1",
    "torchvision:mobilenet_v3_small",
    "timm:efficientnet_b0",
    "timm:convnext_zepto_rms",
    "timm:vit_tiny_patch16_224",
    "timm:deit_tiny_distilled_patch16_224",
    "timm:vit_small_patch14_reg4_dinov2",
    "timm:swinv2_tiny_window8_256",
    "timm:coatnet_pico_rw_224",
    "timm:mixer_s32_224",
    "timm:volo_d1_224",
}
BLURRED = {
    "timm:resmlp_12_224": "random weights over all cells, of the strength of a cell's own",
    "timm:levit_128s": "attention without a skip between its stages",
}

each = pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(a, id=a.source, marks=() if a.source in QUICK else pytest.mark.slow)
        for a in ALL
    ],
)


@each
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
def test_the_layer_is_the_last_evidence_and_the_page_says_so(architecture):
    found = measure(architecture)
    assert not found.in_attention
    assert found.contrast > 1e-3, "two classes have the same map"
    assert found.grid[0] * found.grid[1] >= 4
    if found.corners is not None and architecture.source not in BLURRED:
        assert found.corners >= 3
    assert line(architecture, found) == known_rows()[architecture.source], "make the page again"


def test_the_page_has_every_architecture_and_the_quick_ones_exist():
    assert list(known_rows()) == [a.source for a in ALL]
    assert {a.source for a in ALL} >= QUICK | set(BLURRED)
    assert not any("fails" in row for row in known_rows().values())


class Sleeping(nn.Module):
    """A block behind a LayerScale of 1e-6, and a head of zeros."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 4, 4)
        self.block = nn.Conv2d(8, 8, 3, padding=1)
        self.gamma = nn.Parameter(1e-6 * torch.ones(8))
        self.head = nn.Linear(8, 5)
        nn.init.zeros_(self.head.weight)

    def forward(self, x):
        x = self.stem(x)
        x = x + self.gamma[:, None, None] * self.block(x)
        return self.head(x.mean((2, 3)))


def test_waking_wakes_what_sleeps_and_leaves_the_rest():
    model = Sleeping()
    before = {name: p.clone() for name, p in model.named_parameters()}
    wake(model, seed=1)
    assert model.head.weight.abs().mean() > 0.1
    assert model.gamma.min() > 0.1
    assert torch.equal(model.block.weight, before["block.weight"])
    again = {name: p.clone() for name, p in model.named_parameters()}
    wake(model, seed=2)
    for name, parameter in model.named_parameters():
        if not name.endswith("bias"):
            assert torch.equal(parameter, again[name]), "what is awake is not woken twice"


def test_drawing_repeats():
    one, two = Sleeping(), Sleeping()
    draw(one, seed=3)
    draw(two, seed=3)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert float(one.block.weight.detach().std()) == pytest.approx((2 / 72) ** 0.5, rel=0.1)


def test_a_sleeping_network_would_pass_for_blank():
    """Why networks are woken: the same measurement fails on a network as it is built."""
    model = Sleeping().eval()

    class Asleep(Architecture):
        def build(self):
            return model

    with pytest.raises(AssertionError):
        assert measure(Asleep("torchvision:sleeping", (16, 24))).contrast > 1e-3
