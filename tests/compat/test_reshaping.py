"""A ``reshape_transform`` is held against how a layer is read, in both drop-ins."""

import numpy as np
import pytest
import torch
from timm.models import SwinTransformer, VisionTransformer

from footprint import assert_untouched, snapshot
from nets import PooledNet, seeded, woken
from regionwise.compat import pytorch_grad_cam, torchcam
from regionwise.compat.reshaping import difference
from regionwise.errors import SettingError
from regionwise.models.grids import Grid

pgc = pytest.importorskip("pytorch_grad_cam")
tc = pytest.importorskip("torchcam.methods")


@pytest.fixture
def vit():
    small = {"embed_dim": 24, "depth": 2, "num_heads": 2, "num_classes": 5}
    return woken(VisionTransformer(img_size=(32, 48), patch_size=8, **small), 3)


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(8)
    return torch.randn(2, 3, 32, 48, generator=generator, dtype=torch.float64)


def rows_by_columns(rows, columns, lead=1):
    def transform(tokens):
        cells = tokens[:, lead:].reshape(len(tokens), rows, columns, tokens.shape[2])
        return cells.permute(0, 3, 1, 2)

    return transform


@pytest.mark.parametrize("name", ["GradCAM", "LayerCAM", "HiResCAM"])
def test_a_transformer_gives_the_maps_of_pytorch_grad_cam(vit, inputs, name):
    layers, transform = [vit.blocks[-1].norm1], rows_by_columns(4, 6)
    targets = [pgc.utils.model_targets.ClassifierOutputTarget(i) for i in (1, 2)]
    theirs = getattr(pgc, name)(vit, layers, reshape_transform=transform)(inputs, targets)
    before = snapshot(vit)
    mine = getattr(pytorch_grad_cam, name)(vit, layers, reshape_transform=transform)
    asked = [pytorch_grad_cam.ClassifierOutputTarget(i) for i in (1, 2)]
    found = mine(inputs, asked)
    np.testing.assert_allclose(found, theirs, atol=2e-3)
    assert np.array_equal(found, getattr(pytorch_grad_cam, name)(vit, layers)(inputs, asked))
    assert_untouched(before, vit)


@pytest.mark.parametrize("name", ["GradCAM", "LayerCAM"])
def test_a_transformer_gives_the_maps_of_torch_cam(vit, inputs, name):
    found, expected = [], []
    for library, maps in ((torchcam, found), (tc, expected)):
        made = getattr(library, name)
        with made(vit, "blocks.1.norm1", reshape_transform=rows_by_columns(4, 6)) as extractor:
            maps.extend(extractor([1, 2], vit(inputs)))
    assert found[0].shape == (2, 4, 6)
    torch.testing.assert_close(found[0], expected[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (rows_by_columns(6, 4), r"gives \(2, 24, 6, 4\), but .* 1 leading tokens and 4 x 6 cells"),
        (lambda x: rows_by_columns(4, 6)(x).flip(2), "another order"),
        (lambda x: rows_by_columns(4, 6, lead=0)(x[:, :-1]), "another order"),
        (rows_by_columns(5, 5, lead=0), r"gives \(2, 24, 5, 5\)"),
        (rows_by_columns(7, 7), "fails"),
        (lambda x: x.numpy(), "gives ndarray, not a tensor"),
        (lambda x: x, r"gives \(2, 25, 24\)"),
    ],
)
def test_a_transform_that_reads_other_cells_is_refused(vit, inputs, transform, message):
    layer = vit.blocks[-1].norm1
    with pytest.raises(SettingError, match=message):
        pytorch_grad_cam.GradCAM(vit, [layer], reshape_transform=transform)(inputs)
    with torchcam.GradCAM(vit, layer, reshape_transform=transform) as extractor:
        out = vit(inputs)
        with pytest.raises(SettingError, match=message):
            extractor(1, out)


def test_channels_last_maps_and_plain_ones(inputs):
    small = {"embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2), "window_size": 2}
    swin = woken(SwinTransformer(img_size=(32, 48), patch_size=4, num_classes=5, **small), 3)
    last = swin.layers[-1]
    plain = pytorch_grad_cam.GradCAM(swin, [last])(inputs)

    def to_channels_first(maps):
        return maps.permute(0, 3, 1, 2)

    assert np.array_equal(pytorch_grad_cam.GradCAM(swin, [last], to_channels_first)(inputs), plain)
    with pytest.raises(SettingError, match=r"nhwc"):
        pytorch_grad_cam.GradCAM(swin, [last], lambda maps: maps)(inputs)
    net = seeded(PooledNet, seed=11)
    same = pytorch_grad_cam.GradCAM(net, [net.features], lambda maps: maps)(inputs)
    assert np.array_equal(same, pytorch_grad_cam.GradCAM(net, [net.features])(inputs))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_places_are_told_apart(dtype):
    like = torch.zeros(2, 5, 3, 4, dtype=dtype)
    grid = Grid("tokens", 3, 4, prefix=2)
    assert difference(rows_by_columns(3, 4, lead=2), grid, like) == ""
    assert difference(rows_by_columns(3, 4, lead=2), Grid("tokens", 3, 4), like)
