"""Scales say what colours mean: zero in the middle, and where the ends are."""

import numpy as np
import pytest

from regionwise.pictures.canvas import PAPER, Canvas
from regionwise.pictures.colour import DIVERGING, colour_table
from regionwise.pictures.colour_bar import bar_width, draw_colour_bar
from regionwise.pictures.scale import Scale, shared_scales, signed_scale


def test_the_limit_of_a_coarse_map_is_its_largest_magnitude():
    scale = signed_scale(np.array([[-3.0, 2.0], [0.0, 1.0]]), pixels=False)
    assert scale == Scale(signed=True, limit=3.0)
    assert scale.ends == ("-3", "+3")
    assert scale.note == ""


def test_one_mad_pixel_does_not_set_the_limit_of_a_map_of_pixels():
    values = np.full((100, 100), -1.0)
    values[0, 0] = 1000.0
    assert signed_scale(values, pixels=True).limit == 1.0
    assert signed_scale(values, pixels=False).limit == 1000.0
    assert "99.5th percentile" in signed_scale(values, pixels=True).note


def test_the_percentile_by_hand():
    values = np.arange(-200, 1).reshape(3, 67)  # magnitudes 0 ... 200: 99.5 % of the way is 199
    assert signed_scale(values.astype(float), pixels=True).limit == pytest.approx(199)


def test_a_map_that_is_almost_all_zero_keeps_its_largest():
    values = np.zeros((100, 100))
    values[3, 4] = -2.0
    assert signed_scale(values, pixels=True) == Scale(signed=True, limit=2.0)


def test_a_scale_from_zero_to_one_says_so():
    assert Scale().ends == ("0", "1")
    assert Scale().note == ""


def test_scales_are_shared_by_kind_and_limits_that_differ_are_not_named():
    one, other = (Scale(signed=True, limit=limit) for limit in (1.0, 2.0))
    assert shared_scales([Scale(), Scale()]) == (Scale(),)
    assert shared_scales([one, one]) == (one,)
    assert shared_scales([one, other]) == (Scale(signed=True),)
    assert shared_scales([one, Scale()]) == (Scale(), one)
    pixels = Scale(signed=True, limit=1.0, percentile=99.5)
    assert shared_scales([pixels, one])[0].percentile == 99.5
    assert shared_scales([pixels, one])[0].ends == ("-max", "+max")


@pytest.mark.parametrize("limit", [None, 0.00001234, 1.0, 12345.678])
def test_a_bar_stays_within_its_width(limit):
    scale = Scale(signed=True, limit=limit, percentile=99.5)
    canvas = Canvas(400, 80)
    draw_colour_bar(canvas, (380, 30), scale)
    inked = np.flatnonzero((np.asarray(canvas.image) != PAPER).any(-1).any(0))
    assert inked[-1] <= 2 * 380
    assert inked[0] >= 2 * (380 - bar_width(scale)) - 2


def test_the_bar_of_a_signed_scale_is_diverging():
    canvas = Canvas(400, 80)
    draw_colour_bar(canvas, (380, 30), Scale(signed=True, limit=1.0))
    row = np.asarray(canvas.image)[60].astype(int)
    table = colour_table(DIVERGING, 257).astype(int)
    for entry in (1, 128, 255):
        assert (np.abs(row - table[entry]).max(1) < 12).any()
    blue, red = (np.flatnonzero(np.abs(row - table[e]).max(1) < 12) for e in (1, 255))
    assert blue.max() < red.min()
