"""RISE: its masks, their average, and what may not change it."""

import numpy as np
import pytest
import torch

from regionwise import explain
from regionwise.attribution.rise import RISE, rise_grids, rise_map, rise_masks
from regionwise.errors import SettingError
from replicas.common import array
from replicas.rise import rise_mask, rise_of
from samples import assert_same, chosen, float64


@pytest.mark.parametrize("size", [(16, 12), (7, 7), (5, 3), (1, 1)])
@pytest.mark.parametrize("cells", [1, 3, 7])
def test_replica_of_the_masks(cells, size):
    grids, shifts = rise_grids(6, cells, keep=0.4, seed=5)
    ours = rise_masks(grids, shifts, size)
    expected = [rise_mask(g, s, size) for g, s in zip(grids, shifts.tolist(), strict=True)]
    assert_same(ours, np.stack(expected))


def test_a_mask_by_hand():
    """Two cells of two pixels, stretched over six pixels, a window of four from the second on."""
    grids = float64([[[1.0, 0.0], [1.0, 0.0]]])
    mask = rise_masks(grids, float64([[0.0, 0.5]]), (4, 4))
    row = [1.0, 2 / 3, 1 / 3, 0.0]
    assert_same(mask, [[row] * 4], tolerance=1e-14)


def test_the_average_by_hand():
    masks = float64([[[1.0, 0.0]], [[0.5, 1.0]]])
    scores = float64([[[0.2, 0.4]]])
    # left 0.2 and half of 0.4, right 0.4; N p = 1
    assert_same(rise_map(scores, masks, keep=0.5), [[[[0.4, 0.4]]]], tolerance=1e-15)


def test_as_many_cells_are_kept_as_asked():
    grids, shifts = rise_grids(2000, 7, keep=0.3, seed=0)
    assert set(grids.unique().tolist()) == {0.0, 1.0}
    assert abs(float(grids.mean()) - 0.3) < 0.01
    assert 0 <= float(shifts.min()) < 0.01
    assert 0.99 < float(shifts.max()) < 1
    # every pixel is seen alike: no border gets less
    seen = rise_masks(grids, shifts, (14, 14)).mean(dim=0)
    assert float((seen - 0.3).abs().max()) < 0.05


@pytest.mark.parametrize("net", ["pooled_net", "deep_tail_net"])
def test_on_networks(net, images, request):
    model = request.getfixturevalue(net)
    targets = chosen([0, 3], [2, 2], [1, 0])
    ours = explain(model, images, "rise:masks=9,cells=3,keep=0.6,seed=4", targets=targets)
    grids, shifts = rise_grids(9, 3, keep=0.6, seed=4)
    assert_same(ours.maps, rise_of(model, images, targets, grids, shifts, 0.6))


def test_a_network_that_looks_at_one_corner_is_found_out(images):
    class Corner(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(3, 2, 1).double()

        def forward(self, x):
            kept = x[:, :, :4, :4].mean((1, 2, 3))
            return torch.stack([kept, -kept], 1) + 0 * self.conv(x).mean((2, 3))

    ours = explain(Corner().eval(), images.abs() + 1, "rise:masks=1000", targets=0, layer="conv")
    saliency = array(ours.saliency()[:, 0])
    for image in saliency:
        assert image[:4, :4].mean() > image[8:, 6:].mean() + 0.3
        assert np.unravel_index(image.argmax(), image.shape) < (4, 4)


def test_seed_and_chunk(pooled_net, images):
    first = explain(pooled_net, images, "rise:masks=20", targets=1).maps
    for chunk in (1, 7, 1000):
        assert_same(explain(pooled_net, images, f"rise:masks=20,chunk={chunk}", 1).maps, first)
    other = explain(pooled_net, images, "rise:masks=20,seed=1", targets=1).maps
    assert not torch.allclose(first, other)


def test_a_probability_has_its_range():
    for keep in (0.0, -0.1, 1.1, float("nan")):
        with pytest.raises(SettingError, match="probability"):
            RISE(keep=keep)
