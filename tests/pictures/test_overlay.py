"""Overlays blend linearly, in RGB, and change nothing else."""

import hashlib

import numpy as np
import pytest

from regionwise.errors import InputError, SettingError
from regionwise.pictures.colour import DIVERGING, SEQUENTIAL, colour_table
from regionwise.pictures.encoding import encode_png
from regionwise.pictures.overlay import heatmap, overlay, signed_heatmap, signed_overlay


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)


@pytest.fixture
def saliency():
    return np.linspace(0, 1, 12 * 16).reshape(12, 16)


def test_alpha_zero_is_the_image_and_alpha_one_the_heatmap(image, saliency):
    assert np.array_equal(overlay(image, saliency, alpha=0.0), image)
    assert np.array_equal(overlay(image, saliency, alpha=1.0), heatmap(saliency))


def test_by_hand():
    image = np.full((1, 1, 3), 200, np.uint8)
    black = overlay(image, np.zeros((1, 1)), alpha=0.25)
    first = colour_table(SEQUENTIAL)[0]
    assert np.array_equal(black[0, 0], np.rint(150 + 0.25 * first))


def test_red_stays_red(saliency):
    red = np.zeros((12, 16, 3), np.uint8)
    red[..., 0] = 255
    blended = overlay(red, np.zeros((12, 16)), alpha=0.5)
    assert (blended[..., 0] > 100).all()
    assert (blended[..., 2] < 20).all()


def test_what_is_given_is_left_alone(image, saliency):
    before = image.copy(), saliency.copy()
    overlay(image, saliency)
    assert np.array_equal(image, before[0])
    assert np.array_equal(saliency, before[1])


def test_a_weak_map_is_not_stretched(image):
    weak = np.full((12, 16), 0.1)
    table = colour_table(SEQUENTIAL)
    assert (heatmap(weak) == table[26]).all()
    assert (heatmap(weak) != table[255]).any()


def test_the_same_bytes_every_time(image, saliency):
    digests = {hashlib.sha256(encode_png(overlay(image, saliency))).digest() for _ in range(3)}
    assert len(digests) == 1


def test_signed_heatmaps_show_the_sign():
    picture = signed_heatmap(np.array([[-1.0, 0.0, 1.0]]))
    blue, white, red = picture[0].astype(int)
    assert blue[2] > blue[0]
    assert red[0] > red[2]
    assert white.min() > 240


def test_where_a_signed_map_is_zero_the_image_is_seen_in_grey(image):
    shown = signed_overlay(image, np.zeros((12, 16)), limit=1.0).astype(int)
    assert (shown.max(2) - shown.min(2) == 0).all()
    grey = image @ np.array([0.299, 0.587, 0.114])
    assert np.corrcoef(grey.ravel(), shown[..., 0].ravel())[0, 1] > 0.99
    assert shown.std() > 10


def test_a_signed_overlay_by_hand():
    image = np.full((1, 3, 3), (200, 100, 0), np.uint8)
    shown = signed_overlay(image, np.array([[-1.0, 0.5, 1.0]]), limit=1.0, alpha=0.25)
    grey = 0.299 * 200 + 0.587 * 100
    table = colour_table(DIVERGING, 257)
    assert np.array_equal(shown[0], np.rint(0.75 * grey + 0.25 * table[[0, 192, 256]]))


def test_what_lies_beyond_the_limit_takes_the_colour_of_the_end(image):
    values = np.full((12, 16), -7.0)
    at_the_limit = signed_overlay(image, np.full((12, 16), -2.0), limit=2.0)
    assert np.array_equal(signed_overlay(image, values, limit=2.0), at_the_limit)
    assert np.array_equal(signed_overlay(image, values), at_the_limit)


def test_sizes_must_match(image, without_shape_checks):
    with pytest.raises(InputError, match="12 x 16 and a map of 6 x 8 pixels do not match"):
        overlay(image, np.zeros((6, 8)))
    with pytest.raises(InputError, match="12 x 16 and a map of 6 x 8 pixels do not match"):
        signed_overlay(image, np.zeros((6, 8)))


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan")])
def test_alpha_must_be_a_share(image, saliency, alpha):
    with pytest.raises(SettingError, match="alpha"):
        overlay(image, saliency, alpha=alpha)
