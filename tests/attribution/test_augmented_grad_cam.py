"""Augmented Grad-CAM and Augmented Grad-CAM++: geometry, super-resolution, variants."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.transforms import functional as tv

from regionwise import explain
from regionwise.attribution.augmented_grad_cam import brought_back
from regionwise.attribution.augmented_grad_cam_pp import AugmentedGradCAMpp
from regionwise.attribution.grad_cam import grad_cam_map
from regionwise.attribution.grad_cam_pp import grad_cam_pp_map
from regionwise.attribution.super_resolution import adam, coarse_views, misfit, super_resolved
from regionwise.attribution.warps import Warp, draw_warps, sources, unmoved, warped
from regionwise.errors import SettingError
from regionwise.evidence.masking import min_max
from replicas import augmented as replica
from replicas.common import array, gradients_at
from replicas.resize import upsample
from samples import assert_same, chosen, float64

TARGETS = chosen([0, 3], [2, 2], [1, 0])


def warp_of(*triples):
    """Warps from (angle, rows, columns)."""
    rows = float64(triples)
    return Warp(rows[:, 0], rows[:, 1:])


SOME = warp_of((0.4, 2.0, -1.5), (-0.3, -3.2, 0.7), (0.0, 0.0, 0.0))


@pytest.mark.parametrize("back", [False, True])
def test_replica_of_the_warp(images, back):
    ours = warped(images, SOME, back=back)
    for n in range(3):
        angle, shift = float(SOME.angles[n]), SOME.shifts[n].tolist()
        for c in range(3):
            expected = replica.warped(array(images[n, c]), angle, shift, back=back)
            assert_same(ours[n, c], expected)


def test_a_warp_by_hand():
    """A quarter turn clockwise takes the right to the bottom; a shift moves down and right."""
    plane = float64([[[[0, 0, 0], [0, 0, 5], [0, 0, 0]]]])
    quarter = warped(plane, warp_of((math.pi / 2, 0.0, 0.0)))
    assert_same(quarter, [[[[0, 0, 0], [0, 0, 0], [0, 5, 0]]]])
    assert_same(warped(plane, warp_of((0.0, 1.0, -1.0))), [[[[0] * 3, [0] * 3, [0, 5, 0]]]])
    both = warped(plane, warp_of((math.pi / 2, -1.0, 1.0)))  # turned first, shifted then
    assert_same(both, [[[[0, 0, 0], [0, 0, 5], [0, 0, 0]]]])
    assert_same(warped(both, warp_of((math.pi / 2, -1.0, 1.0)), back=True), plane)


def test_torchvision_turns_and_shifts_alike(images):
    """Its angle is clockwise in degrees, its shift (columns, rows)."""
    theirs = tv.affine(
        images,
        angle=20.0,
        translate=[2, -3],
        scale=1.0,
        shear=[0.0],
        interpolation=tv.InterpolationMode.BILINEAR,
    )
    ours = warped(images, warp_of(*[(math.radians(20.0), -3.0, 2.0)] * 3))
    assert_same(ours, theirs, tolerance=1e-4)  # its grid is float32


def blob(size, row, column):
    rows, columns = torch.meshgrid(*(torch.arange(s).double() for s in size), indexing="ij")
    return torch.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 8)[None, None]


@pytest.mark.parametrize("size", [(48, 48), (40, 64)])
def test_a_bright_spot_comes_back_to_where_it_was(size):
    picture = blob(size, 15, 25)
    peak = [15, 25]
    for warp in draw_warps(picture, copies=12, angle=0.5, shift=0.134, seed=3):
        moved = warped(picture, warp)
        place = np.unravel_index(int(moved.argmax()), size)
        assert list(place) != peak
        again = warped(moved, warp, back=True)
        assert list(np.unravel_index(int(again.argmax()), size)) == peak
        assert float((again - picture).abs().max()) < 0.15


def test_drawn_warps_stay_in_their_ranges_and_follow_the_picture(images):
    warps = draw_warps(images, copies=200, angle=0.5, shift=0.1, seed=0)
    angles = torch.stack([w.angles for w in warps])
    shifts = torch.stack([w.shifts for w in warps])
    assert 0.45 < float(angles.max()) <= 0.5
    assert -0.5 <= float(angles.min()) < -0.45
    limits = [float(shifts[..., axis].abs().max()) for axis in (0, 1)]
    assert 1.4 < limits[0] <= 1.6
    assert 1.0 < limits[1] <= 1.2
    alone = draw_warps(images[1:2], copies=3, angle=0.5, shift=0.1, seed=0)
    for mine, whole in zip(alone, warps, strict=False):
        assert torch.equal(mine.angles, whole.angles[1:2])
        assert torch.equal(mine.shifts, whole.shifts[1:2])


def coarse_evidence(copies, targets, cells, size):
    generator = torch.Generator().manual_seed(8)
    picture = torch.rand(1, 3, *size, generator=generator, dtype=torch.float64)
    warps = draw_warps(picture, copies=copies, angle=0.5, shift=0.134, seed=1)
    own = Warp(torch.cat([w.angles for w in warps]), torch.cat([w.shifts for w in warps]))
    coarse = torch.rand(copies, targets, *cells, generator=generator, dtype=torch.float64)
    return own, coarse


@pytest.mark.parametrize(("cells", "size"), [((2, 3), (6, 9)), ((1, 2), (4, 4))])
def test_replica_of_the_super_resolution(cells, size):
    own, coarse = coarse_evidence(4, 2, cells, size)
    places = sources(size, own)
    views = [
        replica.view_matrix(size, cells, float(a), s.tolist())
        for a, s in zip(own.angles, own.shifts, strict=True)
    ]
    fine = torch.rand(2, *size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    seen = coarse_views(fine, places, cells)
    for t in range(2):
        flat = array(fine[t]).ravel()
        assert_same(seen[:, t], np.stack([(m @ flat).reshape(cells) for m in views]))
        slope = torch.func.grad(lambda h: misfit(h, places, coarse[:, :1]))(fine[:1])[0]
        expected = replica.slope_of_misfit(array(fine[0]), views, coarse[:, 0])
        assert_same(slope, expected)
    ours = super_resolved(coarse, places, steps=12)
    for t in range(2):
        assert_same(ours[t], replica.super_resolved(views, coarse[:, t], size, 12), tolerance=1e-8)


def test_the_misfit_by_hand():
    """One copy that was not moved; four pixels are one cell."""
    places = sources((2, 2), unmoved(1))
    fine = float64([[[1.0, 3.0], [1.0, 3.0]]])
    # mean 2 against 5: 9; TV 2 + 2 = 4; |h|^2 = 20
    value = misfit(fine, places, float64([[[[5.0]]]]), smooth=0.5, small=0.1)
    assert float(value) == pytest.approx(9 + 2 + 2, abs=1.1e-3)  # TV is rounded off


def test_super_resolution_does_not_hang_on_rounding():
    """The sign of a difference that is only rounding would send pixels up or down by chance."""
    own, coarse = coarse_evidence(12, 1, (2, 3), (16, 24))
    places = sources((16, 24), own)
    coarse = coarse.where(coarse > 0.4, 0)
    first = super_resolved(coarse, places)
    second = super_resolved(coarse * (1 + 1e-15) + 1e-16, places)
    assert float(first.max()) > 0.1
    assert_same(second, first, tolerance=1e-6)


def test_adam_is_that_of_torch():
    start = float64([1.0, -2.0, 0.5])
    ours = adam(lambda x: 2 * x + torch.sin(x), start, rate=0.05, steps=30)
    leaf = nn.Parameter(start.clone())
    peer = torch.optim.Adam([leaf], lr=0.05)
    for _ in range(30):
        leaf.grad = (2 * leaf + torch.sin(leaf)).detach()
        peer.step()
    assert_same(ours, leaf.detach())


def test_super_resolution_finds_a_spot_finer_than_a_cell():
    size, cells = (32, 32), (4, 4)
    truth = blob(size, 13.0, 19.0)
    warps = draw_warps(truth, copies=40, angle=0.5, shift=0.134, seed=2)
    own = Warp(torch.cat([w.angles for w in warps]), torch.cat([w.shifts for w in warps]))
    places = sources(size, own)
    coarse = coarse_views(truth[0], places, cells)
    fine = super_resolved(coarse, places)[0]
    row, column = np.unravel_index(int(fine.argmax()), size)
    assert math.hypot(row - 13, column - 19) < 2.5


def grad_cams(model, images, warps):
    """Grad-CAM of every copy, image by image."""
    maps = []
    for warp in warps:
        activations = model.trunk(warped(images, warp)).detach()
        gradients = torch.from_numpy(gradients_at(model.tail, activations, TARGETS))
        maps.append((activations, gradients))
    return maps


def test_augmented_grad_cam_on_a_network(deep_tail_net, images):
    settings = "copies=4,steps=3,seed=5"
    warps = draw_warps(images, copies=3, angle=0.5, shift=0.134, seed=5)
    warps = [unmoved(3), *warps]
    coarse = [grad_cam_map(*e) for e in grad_cams(deep_tail_net, images, warps)]
    back = torch.stack([brought_back(m, w, (16, 12)) for m, w in zip(coarse, warps, strict=True)])
    for combine, expected in (("mean", back.mean(0)), ("max", back.amax(0))):
        method = f"augmented-grad-cam:{settings},combine={combine}"
        ours = explain(deep_tail_net, images, method, targets=TARGETS, layer="stem")
        assert_same(ours.maps, expected)
    ours = explain(deep_tail_net, images, f"augmented-grad-cam:{settings}", TARGETS, "stem")
    assert ours.maps.shape == (3, 2, 16, 12)
    for n in range(3):
        triples = [(float(w.angles[n]), w.shifts[n].tolist()) for w in warps]
        views = [replica.view_matrix((16, 12), (8, 6), *triple) for triple in triples]
        for t in range(2):
            own = [m[n, t] for m in coarse]
            expected = replica.super_resolved(views, own, (16, 12), 3)
            assert_same(ours.maps[n, t], expected, tolerance=1e-8)


def test_maps_are_brought_back_after_upsampling(images):
    maps = images[:, :2, :4, :3].contiguous()
    ours = brought_back(maps, SOME, (16, 12))
    for n in range(3):
        angle, shift = float(SOME.angles[n]), SOME.shifts[n].tolist()
        for t in range(2):
            full = upsample(array(maps[n, t]), (16, 12))
            assert_same(ours[n, t], replica.warped(full, angle, shift, back=True))


def test_one_copy_is_grad_cam_and_none_is_grad_cam_pp(pooled_net, images):
    mean = explain(pooled_net, images, "augmented-grad-cam:copies=1,combine=mean", TARGETS)
    plain = explain(pooled_net, images, "grad-cam", TARGETS)
    assert_same(mean.saliency(), plain.saliency())
    mean = explain(pooled_net, images, "augmented-grad-cam++:copies=0", TARGETS)
    plain = explain(pooled_net, images, "grad-cam++", TARGETS)
    assert_same(mean.saliency(), plain.saliency())


def test_augmented_grad_cam_pp_on_a_network(deep_tail_net, images):
    warps = [unmoved(3), *draw_warps(images, copies=3, angle=0.5, shift=0.134, seed=0)]
    found = [grad_cam_pp_map(*e) for e in grad_cams(deep_tail_net, images, warps)]
    back = [brought_back(m, w, (16, 12)) for m, w in zip(found, warps, strict=True)]
    ours = explain(deep_tail_net, images, "augmented-grad-cam++:copies=3", TARGETS, "stem")
    assert_same(ours.maps, sum(back) / 4)


@pytest.mark.parametrize("variant", ["repository-mended", "repository"])
def test_the_repositorys_variants(deep_tail_net, images, variant):
    """Nearest pixels, whole shifts; maps min-maxed and added where they lie."""
    drawn = draw_warps(images, copies=3, angle=math.pi / 4, shift=0.2, seed=0)
    total = 0.0
    for number, warp in enumerate([unmoved(3), *drawn], start=-1):
        rounded = Warp(warp.angles, warp.shifts.round())
        copy = warped(images, rounded, interpolation="nearest")
        wrong = variant == "repository" and number >= 0
        targets = torch.full((3, 2), number) if wrong else TARGETS
        activations = deep_tail_net.trunk(copy).detach()
        gradients = torch.from_numpy(gradients_at(deep_tail_net.tail, activations, targets))
        total = total + min_max(grad_cam_pp_map(activations, gradients, variant="local-sum"))
    method = f"augmented-grad-cam++:copies=3,variant={variant}"
    ours = explain(deep_tail_net, images, method, TARGETS, "stem")
    assert_same(ours.maps, total)


def test_the_repository_explains_classes_that_nobody_asked_for(deep_tail_net, images):
    """All but the first map is the same for every target; mended, none is."""
    method = "augmented-grad-cam++:copies=5,variant=repository"
    own = explain(deep_tail_net, images, "grad-cam++:variant=local-sum", TARGETS, "stem").maps
    wrong = explain(deep_tail_net, images, method, TARGETS, "stem").maps - min_max(own)
    assert_same(wrong[0, 0], wrong[0, 1])
    right = explain(deep_tail_net, images, f"{method}-mended", TARGETS, "stem").maps - min_max(own)
    assert not torch.allclose(right[0, 0], right[0, 1])


def test_a_bright_patch_is_found_where_it_is():
    """A network that sees brightness: its maps, brought back, agree on the place."""

    class Bright(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 4, stride=4, bias=False).double()
            nn.init.constant_(self.conv.weight, 1 / 48)

        def forward(self, x):
            return self.conv(x).square().mean((2, 3)) * torch.tensor([1.0, -1.0])

    picture = torch.zeros(1, 3, 48, 64, dtype=torch.float64)
    picture[:, :, 12:20, 40:48] = 1.0
    for method in (
        "augmented-grad-cam:copies=12",
        "augmented-grad-cam:copies=12,combine=mean",
        "augmented-grad-cam:copies=12,combine=max",
        "augmented-grad-cam++:copies=11",
    ):
        saliency = explain(Bright().eval(), picture, method, 0, "conv").saliency()[0, 0]
        row, column = np.unravel_index(int(saliency.argmax()), saliency.shape)
        assert 10 <= row < 22, method
        assert 38 <= column < 50, method


def test_refusals(pooled_net, images):
    with pytest.raises(SettingError, match="copies"):
        AugmentedGradCAMpp(copies=-1)
    with pytest.raises(SettingError, match="4 classes for 50 copies"):
        explain(pooled_net, images, "augmented-grad-cam++:variant=repository", 0)
