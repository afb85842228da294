"""Volumes n c d h w: the gradient family in three dimensions, and what is refused."""

import numpy as np
import pytest
import torch
import torchvision.models as zoo
from PIL import Image
from torch import nn

from footprint import assert_untouched, snapshot
from nets import seeded, woken
from regionwise import Probe, Versus, explain, explain_all
from regionwise.attribution.catalog import methods
from regionwise.attribution.volume import shown_slices, strip
from regionwise.errors import InputError, LayerError, SettingError
from regionwise.evidence.needs import DIRECT, JOINT, MASKED_SCORES
from regionwise.evidence.tracing import resolve_layer
from regionwise.models.grids import Grid, Hints, grid_of, stacked, unstacked
from replicas.common import array
from samples import assert_same

ABLE = [c.name for c in methods.cards() if not c.planar and c.needs <= DIRECT - {JOINT}]
UNABLE = [c.name for c in methods.cards() if c.planar or not c.needs <= DIRECT]
CAMS = ["cam", "grad-cam", "grad-cam++", "xgrad-cam", "hires-cam", "layer-cam", "eigen-cam"]
FEW = {
    "integrated-gradients": "integrated-gradients:steps=3",
    "smooth-grad": "smooth-grad:samples=3",
    "var-grad": "var-grad:samples=3",
    "smooth-grad-cam++": "smooth-grad-cam++:samples=3",
}
PIXELS = ["gradient", "input-x-gradient", "integrated-gradients", "smooth-grad", "var-grad"]


class Pooled3d(nn.Module):
    """Two convolutions over slices, rows and columns [`features`], average pooling, linear."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv3d(2, 5, 3, stride=(1, 2, 2), padding=1),
            nn.ReLU(),
            nn.Conv3d(5, 6, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.pool = nn.AdaptiveAvgPool3d(1)
        self.fc = nn.Linear(6, 4)

    def tail(self, activations):
        return self.fc(self.pool(activations).flatten(1))

    def forward(self, x):
        return self.tail(self.features(x))


class Curved3d(Pooled3d):
    """The same with a curved tail that works in place."""

    def tail(self, activations):
        return self.fc(activations.tanh_().square().mean((2, 3, 4)).sqrt())


@pytest.fixture
def model():
    return seeded(Pooled3d, 8)


@pytest.fixture
def volumes(generator):
    return torch.randn(2, 2, 7, 12, 10, generator=generator, dtype=torch.float64)


def grad_cam_3d(model, volumes, targets):
    """Selvaraju et al. 2017, eq. 1 and 2, with a mean over slices, rows and columns."""
    result = []
    for image, classes in enumerate(targets):
        rows = []
        for target in classes:
            leaf = model.features(volumes[image : image + 1]).detach().requires_grad_()
            (slope,) = torch.autograd.grad(model.tail(leaf.clone())[0, target], leaf)
            planes, slopes = array(leaf)[0], array(slope)[0]
            total = np.zeros(planes.shape[1:])
            for channel in range(len(planes)):
                weight = sum(slopes[channel].flat) / slopes[channel].size
                for place in np.ndindex(*total.shape):
                    total[place] += weight * planes[(channel, *place)]
            rows.append(np.maximum(total, 0))
        result.append(np.stack(rows))
    return np.stack(result)


@pytest.mark.parametrize("build", [Pooled3d, Curved3d])
def test_grad_cam_replica(build, volumes):
    model, targets = seeded(build, 8), [[0, 2], [3, 1]]
    ours = explain(model, volumes, "grad-cam", targets, "features")
    expected = grad_cam_3d(model, volumes, targets)
    assert expected.max() > 0
    assert ours.maps.shape == (2, 2, 4, 3, 3)
    assert_same(ours.maps, expected)


@pytest.mark.parametrize("method", ABLE)
def test_shapes_scores_and_sizes(model, volumes, method):
    before, given = snapshot(model), volumes.clone()
    ours = explain(model, volumes, FEW.get(method, method), "top-2", "features")
    assert ours.maps.shape == (2, 2, *((7, 12, 10) if method in PIXELS else (4, 3, 3)))
    assert ours.size == (7, 12, 10)
    assert ours.saliency().shape == (2, 2, 7, 12, 10)
    assert ours.saliency((3, 5, 4)).shape == (2, 2, 3, 5, 4)
    top = model(volumes).topk(2)
    assert ours.targets.equal(top.indices)
    assert_same(ours.scores, top.values)
    assert_untouched(before, model)
    assert volumes.equal(given)
    assert " x ".join(map(str, ours.maps.shape[2:])) in repr(ours)
    one = ours.one(1)
    assert one.maps.shape == (1, *ours.maps.shape[1:])
    alone = explain(model, volumes[1:], FEW.get(method, method), ours.targets[1:], "features")
    assert_same(alone.maps, one.maps, tolerance=1e-9)


def test_cam_adds_up_to_the_logit(model, volumes):
    ours = explain(model, volumes, "cam", [[0, 1, 2, 3]] * 2, "features")
    assert_same(ours.maps.mean(dim=(2, 3, 4)) + model.fc.bias, model(volumes))


def test_integrated_gradients_add_up_to_the_score_gained():
    model = seeded(Curved3d, 8)
    volumes = torch.rand(1, 2, 4, 6, 6, dtype=torch.float64)
    ours = explain(model, volumes, "integrated-gradients:steps=40", 1, "features")
    gained = (model(volumes) - model(volumes * 0))[0, 1].detach()
    assert float(ours.maps.sum()) == pytest.approx(float(gained), rel=1e-2)
    by_hand = ours.maps.sum() - gained
    assert float(ours.details["completeness_gap"]) == pytest.approx(float(by_hand), abs=1e-9)


def test_behind_pooling_and_a_linear_layer_four_methods_agree(model, volumes):
    cells = 4 * 3 * 3
    found = explain_all(
        model,
        volumes,
        ["cam", "grad-cam:relu=false", "hires-cam:relu=false", "xgrad-cam:relu=false"],
        "top-2",
        "features",
    )
    cam, *others = (one.maps for one in found.values())
    for other in others:
        assert_same(other * cells, cam)


class Flat(nn.Module):
    """A network of images, and the same for volumes: one kernel slice, pooling over all slices."""

    def __init__(self, *, deep):
        super().__init__()
        conv = nn.Conv3d if deep else nn.Conv2d
        one = 1 if deep else ()
        size = (one, 3, 3) if deep else 3
        self.features = nn.Sequential(conv(2, 6, size), nn.ReLU(), conv(6, 5, size), nn.ReLU())
        self.fc = nn.Linear(5, 3)

    def forward(self, x):
        features = self.features(x)
        return self.fc(features.mean(dim=tuple(range(2, features.dim()))).tanh())


@pytest.mark.parametrize("method", ["cam", *CAMS[1:], "gradient", "input-x-gradient", "random"])
def test_a_volume_of_one_slice_is_the_image(method):
    flat, deep = seeded(lambda: Flat(deep=False), 2), seeded(lambda: Flat(deep=True), 2)
    deep.load_state_dict(
        {k: v[:, :, None] if v.dim() == 4 else v for k, v in flat.state_dict().items()}
    )
    if method == "cam":
        for net in (flat, deep):
            net.forward = lambda x, net=net: net.fc(net.features(x).flatten(2).mean(2))
    images = torch.randn(2, 2, 9, 8, dtype=torch.float64)
    plain = explain(flat, images, method, "top-2", "features")
    ours = explain(deep, images[:, :, None], method, "top-2", "features")
    assert ours.maps.shape == (2, 2, 1, *plain.maps.shape[2:])
    assert_same(ours.maps[:, :, 0], plain.maps)
    assert_same(ours.saliency()[:, :, 0], plain.saliency())


@pytest.mark.parametrize("method", ["cam", "grad-cam", "hires-cam", "layer-cam", "xgrad-cam"])
def test_equal_slices_have_the_map_of_the_image(method):
    """Gradients of each of four slices are a quarter of the image's; XGrad-CAM divides too."""
    flat, deep = seeded(lambda: Flat(deep=False), 2), seeded(lambda: Flat(deep=True), 2)
    deep.load_state_dict(
        {k: v[:, :, None] if v.dim() == 4 else v for k, v in flat.state_dict().items()}
    )
    if method == "cam":
        for net in (flat, deep):
            net.forward = lambda x, net=net: net.fc(net.features(x).flatten(2).mean(2))
    images = torch.randn(2, 2, 9, 8, dtype=torch.float64)
    plain = explain(flat, images, method, 1, "features")
    ours = explain(deep, images[:, :, None].repeat(1, 1, 4, 1, 1), method, 1, "features")
    factor = 1 if method == "cam" else 4
    for slice_ in range(4):
        assert_same(ours.maps[:, :, slice_] * factor, plain.maps)


def test_saliency_is_trilinear_and_scaled_over_the_whole_volume(model, volumes):
    ours = explain(model, volumes, "grad-cam:relu=false", "top-2", "features")
    full = nn.functional.interpolate(ours.maps, (7, 12, 10), mode="trilinear")
    assert_same(ours.saliency(normalize=None), full)
    low, high = (f(dim=(2, 3, 4), keepdim=True) for f in (full.amin, full.amax))
    assert_same(ours.saliency(), (full - low) / (high - low))
    assert_same(ours.saliency(normalize="max"), full.relu() / high)
    shared = ours.saliency(normalize="image").flatten(1)
    assert torch.equal(shared.amax(1), torch.ones(2, dtype=torch.float64))
    assert torch.equal(shared.amin(1), torch.zeros(2, dtype=torch.float64))
    with pytest.raises(InputError, match="size"):
        ours.saliency((12, 10))


def test_flags(model, volumes):
    with torch.no_grad():
        model.fc.weight[1] = 0
    ours = explain(model, volumes, "grad-cam", [[0, 1]] * 2, "features")
    assert ours.flags[0] == ((), ("no positive evidence", "zero gradient"))
    assert not ours.saliency()[:, 1].any()


def test_other_questions(model, volumes):
    pair = explain(model, volumes, "hires-cam:relu=false", Versus(0, 2), "features")
    both = explain(model, volumes, "hires-cam:relu=false", [[0, 2]] * 2, "features")
    assert_same(pair.maps, both.map_difference().maps)
    fused = explain(model, volumes, "layer-cam", 1, ["features.1", "features"], fuse="scaled-max")
    assert fused.maps.shape == (2, 1, 7, 6, 5)
    fine, coarse = (fused.details["maps"][n] for n in ("features.1", "features"))
    coarse = nn.functional.interpolate(coarse, (7, 6, 5), mode="trilinear")
    expected = torch.maximum(
        (2 * fine / fine.flatten(1).amax(1)[:, None, None, None, None]).tanh(),
        coarse / coarse.flatten(1).amax(1)[:, None, None, None, None],
    )
    assert_same(fused.maps, expected)


def test_a_graph_is_kept(model, volumes):
    weight, direction = model.features[0].weight, torch.ones_like(model.features[0].weight)

    def loss(**settings):
        maps = explain(model, volumes, "grad-cam", 1, "features", **settings).maps
        return (maps * torch.arange(maps.numel()).view_as(maps)).sum()

    (slope,) = torch.autograd.grad(loss(create_graph=True), weight)
    ends = []
    with torch.no_grad():
        for step in (1e-6, -2e-6):
            weight += step * direction
            ends.append(float(loss()))
    assert float((slope * direction).sum()) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


@pytest.mark.slow
def test_a_video_network_by_its_default_layer(generator):
    network = woken(zoo.video.r3d_18(num_classes=5), 3, size=(4, 48, 48))
    video = torch.randn(1, 3, 4, 48, 48, generator=generator, dtype=torch.float64)
    found = explain_all(network, video, ["grad-cam", "cam", "gradient"], "top-2")
    ours = found["grad-cam"]
    assert ours.layer == "layer4"
    with torch.no_grad():
        features = network.stem(video)
        for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
            features = layer(features)
    assert ours.maps.shape == (1, 2, *features.shape[2:]) == (1, 2, 1, 3, 3)
    assert_same(found["cam"].maps.relu() / 9, ours.maps)
    assert found["gradient"].maps.shape == (1, 2, 4, 48, 48)
    assert ours.saliency().shape == (1, 2, 4, 48, 48)


@pytest.mark.parametrize("method", UNABLE)
def test_methods_of_the_plane_are_refused_by_name(model, volumes, method):
    def fail(*_):
        raise AssertionError("the model ran")

    model.register_forward_hook(fail)
    with pytest.raises(SettingError, match=f"'{method.replace('+', '[+]')}'.*volumes: .*grad-cam"):
        explain(model, volumes, method, 1, "features")


def test_a_blur_is_of_the_plane(model, volumes):
    with pytest.raises(SettingError, match="smooth-grad:blur=2"):
        explain(model, volumes, "smooth-grad:blur=2", 1, "features")


def test_other_refusals(model, volumes, pooled_net):
    with pytest.raises(SettingError, match="'masked-scores'"):
        Probe(model, volumes, needs=frozenset({MASKED_SCORES})).__enter__()
    with pytest.raises(InputError, match="two-dimensional layers only"):
        explain(pooled_net, torch.zeros(1, 3, 4, 8, 8), "grad-cam")
    with pytest.raises(InputError, match=r"\(n, c, d, h, w\)"):
        explain(model, volumes[None], "grad-cam")
    with pytest.raises(LayerError, match="slices"):
        explain(model, volumes, "grad-cam", layer="fc")


def test_pictures_are_slices_side_by_side(model, volumes, tmp_path):
    ours = explain(model, volumes, "grad-cam", "top-2", "features")
    with pytest.raises(InputError, match="not known"):
        ours.overlay()
    grey = volumes[:, :1].sigmoid()
    pictures = ours.overlay(grey)
    assert len(pictures) == 2
    assert pictures[0].width > 7 * 10
    ours.save(tmp_path, grey)
    with np.load(tmp_path / "0" / "grad-cam.npz") as arrays:
        assert arrays["map"].shape == (2, 4, 3, 3)
        assert arrays["saliency"].shape == (2, 7, 12, 10)
    with Image.open(tmp_path / "1" / "grad-cam.png") as picture:
        assert picture.size == pictures[1].size
    ours.save(tmp_path / "bare")
    assert not (tmp_path / "bare" / "0" / "grad-cam.png").exists()
    with pytest.raises(InputError, match="volumes"):
        ours.overlay(grey[:, :, 0])
    assert "grad-cam" in ours._repr_html_()


def test_volumes_in_the_range_of_colours_are_shown_as_they_are(generator):
    model = seeded(Pooled3d, 8)
    model.features[0] = seeded(lambda: nn.Conv3d(3, 5, 3, stride=(1, 2, 2), padding=1), 1)
    colours = torch.rand(1, 3, 12, 8, 6, generator=generator, dtype=torch.float64)
    ours = explain(model, colours, "grad-cam", 1, "features")
    assert ours.images.equal(colours)
    assert len(ours.overlay()) == 1
    assert "<img" in ours._repr_html_()


def test_slices():
    assert shown_slices(4) == [0, 1, 2, 3]
    assert shown_slices(17) == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert len(set(shown_slices(10))) == 9
    volume = torch.arange(2 * 3 * 4.0).view(1, 1, 2, 3, 4)
    assert strip(volume, [1, 0])[0, 0].equal(torch.cat([volume[0, 0, 1], volume[0, 0, 0]], dim=1))


def test_grids_are_read_and_written_back(generator):
    raw = torch.randn(2, 5, 3, 4, 6, generator=generator)
    grid = grid_of(raw.shape, (6, 8, 12))
    assert grid == Grid("ncdhw", 4, 6, slices=3)
    assert grid.read(raw).shape == (2, 5, 12, 6)
    assert grid.read(raw)[:, :, 4:8].equal(raw[:, :, 1])
    assert grid.write(grid.read(raw), raw).equal(raw)
    last = raw.permute(0, 2, 3, 4, 1)
    grid = grid_of(last.shape, (6, 8, 12), Hints(last_axis=frozenset({5})))
    assert grid == Grid("ndhwc", 4, 6, slices=3)
    assert grid.read(last).equal(stacked(raw))
    assert grid.write(grid.read(last), last).equal(last)
    assert unstacked(stacked(raw), 3).equal(raw)
    assert grid_of((2, 5, 3, 4), (6, 8, 12)) is None
    assert grid_of((2, 5, 3, 9, 6), (6, 8, 12)) is None
    assert grid_of((2, 5, 1, 1, 1), (6, 8, 12)) is None
    assert grid_of((2, 5, 3, 4, 6), (8, 12)) is None


def test_the_last_map_is_found(model, volumes):
    assert resolve_layer(model, None, volumes)[0] == "features"
