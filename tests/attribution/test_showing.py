"""What is drawn of an attribution: signed maps around zero, the others from 0 to 1."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from regionwise import Versus, explain, methods
from regionwise.attribution.showing import cells_of, panel_of, picture_of
from regionwise.pictures.cell import overlay_cell
from regionwise.pictures.overlay import signed_overlay
from regionwise.pictures.scale import Scale

SIGNED = [
    "cam",
    "cam:bias=true",
    "grad-cam:relu=false",
    "hires-cam:relu=false",
    "ablation-cam:relu=false,variant=difference",
    "ablation-cam:relu=false",
    "occlusion",
    "gradient:reduce=sum",
    "input-x-gradient",
    "integrated-gradients:steps=2",
    "smooth-grad:reduce=sum,samples=2",
]
UNSIGNED = [
    "grad-cam",
    "ablation-cam:relu=false,variant=paper",  # a negative score turns its signs round
    "recipro-cam",
    "rise:masks=4",
    "gradient",
    "input-x-gradient:reduce=sum-abs",
    "integrated-gradients:steps=2,variant=calm",
    "smooth-grad:samples=2,variant=squared,reduce=sum",
    "eigen-cam",
    "random",
]


@pytest.fixture
def pictures(images):
    low, high = images.min(), images.max()
    return (images - low) / (high - low)


def shown(attribution, pictures, index=0):
    return cells_of(attribution, index, picture_of(pictures[index]))


@pytest.mark.parametrize(("signed", "names"), [(True, SIGNED), (False, UNSIGNED)])
def test_settings_decide_whether_a_map_is_signed(signed, names):
    for name in names:
        assert methods.parse(name).signed is signed, name


@pytest.mark.parametrize("method", SIGNED)
@pytest.mark.parametrize("targets", [1, Versus(1, 2)], ids=["class", "lead"])
def test_every_signed_method_has_both_signs_and_turns_with_its_target(
    pooled_net, images, method, targets
):
    """With classes in turned places the lead of one over the other changes its sign."""
    found = explain(pooled_net, images, method, targets)
    assert found.signed
    if isinstance(targets, Versus):
        turned = explain(pooled_net, images, method, Versus(2, 1))
        assert torch.allclose(found.maps, -turned.maps, atol=1e-9)


def test_equal_values_for_and_against_are_equally_far_from_grey(pooled_net, pictures):
    found = explain(pooled_net, pictures, "cam", 1)
    values = torch.tensor([[-2.0, 0.0], [1.0, 2.0]], dtype=found.maps.dtype)
    found = replace(found, maps=values.expand(3, 1, 2, 2), flags=(((),),) * 3)
    cell = shown(found, pictures)[0]
    assert cell.scale == Scale(signed=True, limit=2.0)
    full = found.one(0).saliency(normalize=None)[0, 0].numpy()
    expected = signed_overlay(picture_of(pictures[0]), full, limit=2.0)
    assert np.array_equal(cell.picture, expected)


def test_the_maps_of_an_image_share_a_limit_and_images_do_not(pooled_net, pictures):
    found = explain(pooled_net, pictures, "cam", [[0, 1]] * 3)
    limits = [{cell.scale.limit for cell in shown(found, pictures, n)} for n in range(3)]
    assert all(len(of_one) == 1 for of_one in limits)
    assert len(set.union(*limits)) == 3
    assert limits[0] == {float(found.maps[0].abs().max())}


def test_maps_of_pixels_end_at_a_percentile(pooled_net, pictures):
    found = explain(pooled_net, pictures, "input-x-gradient", 1)
    scale = shown(found, pictures)[0].scale
    assert scale.percentile == 99.5
    assert scale.limit == pytest.approx(np.percentile(found.maps[0].abs().numpy(), 99.5))


def test_maps_that_are_not_signed_are_drawn_as_before(pooled_net, pictures):
    found = explain(pooled_net, pictures, "grad-cam", 1)
    cell = shown(found, pictures)[0]
    assert cell.scale == Scale()
    saliency = found.one(0).saliency()[0, 0].numpy()
    expected = overlay_cell(picture_of(pictures[0]), saliency)
    assert np.array_equal(cell.picture, expected.picture)


def test_a_difference_of_maps_is_signed_whatever_the_method(pooled_net, pictures):
    found = explain(pooled_net, pictures, "grad-cam", [[0, 1]] * 3).map_difference()
    assert found.signed
    assert shown(found, pictures)[0].scale.signed
    assert panel_of(found, 0, picture_of(pictures[0])).width > 0


def test_a_map_that_only_speaks_against_is_drawn_and_one_of_zeros_is_not(pooled_net, pictures):
    found = explain(pooled_net, pictures, "cam", 1)
    against = -found.maps.abs() - 1
    flags = ((("no positive evidence",),),) * 3
    assert shown(replace(found, maps=against, flags=flags), pictures)[0].picture is not None
    nothing = shown(replace(found, maps=against * 0, flags=flags), pictures)[0]
    assert nothing.picture is None
    assert nothing.note == "blank: no positive evidence"
