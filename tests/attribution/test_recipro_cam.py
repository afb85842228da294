"""Recipro-CAM: the class probability of every cell alone."""

import pytest
import torch
from torch import nn

from nets import seeded
from regionwise import explain
from regionwise.attribution.recipro_cam import cell_windows, kept_cells
from replicas.common import array
from replicas.recipro_cam import alone, recipro_cam_of
from samples import assert_same, chosen, evidence, float64
from tails import Normed, Vgg

WINDOWS = ["cell", "gaussian", "spread"]
TARGETS = chosen([0, 3], [2, 2], [1, 0])


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("kind", ["pooled", "deep", "vgg", "normed"])
def test_on_networks(pooled_net, deep_tail_net, images, kind, window):
    model, layer = {
        "pooled": (pooled_net, "features"),
        "deep": (deep_tail_net, "stem"),
        "vgg": (seeded(Vgg, 4), "layer"),
        "normed": (seeded(Normed, 5), "layer"),
    }[kind]
    ours = explain(model, images, f"recipro-cam:window={window}", TARGETS, layer)
    assert ours.details["rule"] == ("closed form" if kind == "pooled" else "tail")
    expected = recipro_cam_of(model.trunk, model.tail, images, TARGETS, window=window)
    assert array(expected).std() > 1e-4
    assert_same(ours.maps, expected)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("shape", [(1, 1, 3, 1, 1), (1, 1, 2, 1, 4), (1, 1, 3, 4, 3)], ids=str)
def test_the_windows_are_the_replicas(shape, window):
    activations, _ = evidence(shape, signed=True)
    rows, columns = shape[3:]
    expected = [
        alone(activations[0], i, j, window=window) for i in range(rows) for j in range(columns)
    ]
    count = rows * columns
    ours = kept_cells(activations, slice(0, count), window=window)
    assert_same(ours, torch.stack(expected), tolerance=1e-15)
    assert_same(
        kept_cells(activations, slice(count - 1, count), window=window), ours[-1:], tolerance=1e-15
    )


def test_windows_by_hand():
    assert_same(cell_windows((2, 2), slice(1, 3)), [[[0, 1], [0, 0]], [[0, 0], [1, 0]]])
    corner = cell_windows((2, 3), slice(0, 1), gaussian=True)
    assert_same(corner, [[[4 / 16, 2 / 16, 0], [2 / 16, 1 / 16, 0]]])
    assert cell_windows((5, 5), slice(12, 13), gaussian=True).sum() == 1


def test_by_hand():
    """Pooling over two cells, y = (mean, 0): probabilities sigmoid(a / 2)."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, x):
            mean = self.layer(x).mean((1, 2, 3))
            return torch.stack([mean, 0 * mean], 1)

    image = float64([[[[2.0, -4.0]]]])
    ours = explain(Net(), image, "recipro-cam", [[0, 1]], "layer").maps
    sigmoid = torch.sigmoid(float64([1.0, -2.0]))
    # a network without weights runs in float32
    assert_same(ours, torch.stack([sigmoid, 1 - sigmoid])[None, :, None], tolerance=1e-6)


def test_behind_pooling_it_is_a_squeezed_cam(pooled_net, images):
    """p_c of softmax(W A_ij / Z + b)."""
    ours = explain(pooled_net, images, "recipro-cam", "top-2", "features")
    activations = pooled_net.trunk(images)
    cells = torch.einsum("yk,nkij->nyij", pooled_net.fc.weight, activations) / 12
    expected = (cells + pooled_net.fc.bias[:, None, None]).softmax(1)
    for t in range(2):
        for n in range(3):
            assert_same(ours.maps[n, t], expected[n, ours.targets[n, t]])


def test_spreading_behind_pooling_changes_the_border_alone(pooled_net):
    images = torch.randn(1, 3, 20, 20, generator=torch.Generator().manual_seed(3)).double()
    cell, spread = (
        explain(pooled_net, images, f"recipro-cam:window={w}", 1, "features").maps
        for w in ("cell", "spread")
    )
    assert_same(spread[..., 1:-1, 1:-1], cell[..., 1:-1, 1:-1])
    assert (spread - cell)[..., 0, :].abs().min() > 1e-6


class Tokens(nn.Module):
    """Patches with two leading tokens [`layer`], attention, the first token to the head."""

    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, 8, 4, 4)
        self.lead = nn.Parameter(torch.zeros(2, 8))
        self.layer = nn.LayerNorm(8)
        self.mix = nn.Linear(8, 8)
        self.head = nn.Linear(8, 4)
        self.num_prefix_tokens = 2

    def tail(self, tokens):
        weights = (tokens[:, :1] @ self.mix(tokens).mT).softmax(-1)
        return self.head((tokens[:, :1] + weights @ tokens)[:, 0])

    def forward(self, x):
        cells = self.patches(x).flatten(2).mT
        tokens = torch.cat([self.lead.expand(len(x), 2, 8), cells], 1)
        return self.tail(self.layer(tokens))


def test_leading_tokens_stay(images):
    model = seeded(Tokens, 6)
    ours = explain(model, images, "recipro-cam", TARGETS, "layer").maps
    with torch.no_grad():
        cells = model.patches(images).flatten(2).mT
        tokens = model.layer(torch.cat([model.lead.expand(3, 2, 8), cells], 1))
        for place in range(12):
            kept = torch.zeros_like(tokens)
            kept[:, [0, 1, 2 + place]] = tokens[:, [0, 1, 2 + place]]
            probabilities = model.tail(kept).softmax(1)
            assert_same(ours[:, :, place // 3, place % 3], probabilities.gather(1, TARGETS))


def test_a_score_function_is_mapped_by_its_value(deep_tail_net, images):
    ours = explain(deep_tail_net, images, "recipro-cam", lambda y: y.softmax(1)[:, 2], "stem")
    assert_same(ours.maps, explain(deep_tail_net, images, "recipro-cam", 2, "stem").maps)


@pytest.mark.parametrize("window", WINDOWS)
def test_a_score_function_of_a_pooled_network(pooled_net, images, window):
    method = f"recipro-cam:window={window}"
    ours = explain(pooled_net, images, method, lambda y: y.softmax(1)[:, 2], "features")
    assert ours.details["rule"] == "closed form"
    assert_same(ours.maps, explain(pooled_net, images, method, 2, "features").maps)


def test_the_chunk_changes_nothing(deep_tail_net, images):
    expected = explain(deep_tail_net, images, "recipro-cam:window=gaussian", 2, "stem").maps
    for chunk in (1, 5, 1000):
        method = f"recipro-cam:window=gaussian,chunk={chunk}"
        assert_same(explain(deep_tail_net, images, method, 2, "stem").maps, expected)
