"""Occlusion: windows that cover everything, and the mean drop over them."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from regionwise import explain
from regionwise.attribution.occlusion import Occlusion, occlusion_map, window_starts, windows
from regionwise.errors import SettingError
from replicas.rise import occlusion_of
from samples import assert_same, chosen, float64

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import captum.attr


def test_windows_by_hand():
    assert window_starts(10, 4, 3) == [0, 3, 6]
    assert window_starts(9, 4, 3) == [0, 3, 5]
    assert window_starts(4, 4, 9) == [0]
    masks = windows([(0, 1), (1, 0)], (1, 2), (2, 3), torch.zeros(()))
    assert masks.tolist() == [[[0, 1, 1], [0, 0, 0]], [[0, 0, 0], [1, 1, 0]]]


@pytest.mark.parametrize("size", [1, 5, 16])
@pytest.mark.parametrize("window", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_windows_cover_every_pixel_and_stay_inside(size, window, stride):
    window = min(window, size)
    starts = window_starts(size, window, min(stride, window))
    assert len(set(starts)) == len(starts)
    assert {p for s in starts for p in range(s, s + window)} == set(range(size))


def test_the_mean_by_hand():
    covers = float64([[[1.0, 1.0, 0.0]], [[0.0, 1.0, 1.0]]])
    drops = float64([[[0.4, -0.2]]])
    assert_same(occlusion_map(drops, covers), [[[[0.4, 0.1, -0.2]]]], tolerance=1e-15)


@pytest.mark.parametrize(("window", "stride", "fill"), [(5, 3, 0.0), (4, 4, 0.7), (14, 1, -1.0)])
def test_on_a_network(deep_tail_net, images, window, stride, fill):
    targets = chosen([0, 3], [2, 2], [1, 0])
    method = f"occlusion:window={window},stride={stride},fill={fill}"
    ours = explain(deep_tail_net, images, method, targets=targets)
    expected = occlusion_of(deep_tail_net, images, targets, window, stride, fill)
    assert abs(expected).max() > 0
    assert_same(ours.maps, expected)


def test_captum_agrees(deep_tail_net, images):
    model = nn.Sequential(deep_tail_net, nn.Softmax(1))
    theirs = captum.attr.Occlusion(model).attribute(
        images, sliding_window_shapes=(3, 4, 4), strides=(3, 2, 2), target=torch.tensor([1, 2, 0])
    )
    ours = explain(deep_tail_net, images, "occlusion:window=4,stride=2", targets=[1, 2, 0])
    assert_same(ours.maps[:, 0], theirs[:, 0], tolerance=1e-7)  # it counts in float32


def test_the_default_window_is_a_fifth_of_the_shorter_side(pooled_net, images):
    default = explain(pooled_net, images, "occlusion", targets=1)
    named = explain(pooled_net, images, "occlusion:window=2,stride=1", targets=1)
    assert torch.equal(default.maps, named.maps)
    assert default.details["windows"] == 15 * 11


def test_refusals(pooled_net, images):
    for settings in ({"window": 0}, {"stride": 0}, {"window": -3}):
        with pytest.raises(SettingError, match="1 pixel"):
            Occlusion(**settings)
    with pytest.raises(SettingError, match="gaps"):
        explain(pooled_net, images, "occlusion:window=3,stride=4", targets=1)


def test_a_window_as_large_as_the_image_gives_a_constant_map(pooled_net, images):
    ours = explain(pooled_net, images, "occlusion:window=99", targets=[0, 1, 2])
    flat = ours.maps.flatten(2)
    assert_same(flat, np.broadcast_to(flat[..., :1], flat.shape))
    assert all(row[0] for row in ours.flags)
