"""Colours are a linear look-up: nothing is squared, stretched or clipped on the way."""

import matplotlib as mpl
import numpy as np
import pytest

from regionwise.errors import InputError, SettingError
from regionwise.pictures.colour import (
    DIVERGING,
    SEQUENTIAL,
    colour_table,
    colourise,
    colourise_signed,
)


def test_half_is_the_middle_of_the_table_and_the_ends_are_its_ends():
    table = colour_table(SEQUENTIAL)
    colours = colourise(np.array([[0.0, 0.5, 1.0]]))
    assert np.array_equal(colours[0], table[[0, 128, 255]])


def test_every_entry_is_reached_in_order_by_equal_steps():
    colours = colourise(np.linspace(0, 1, 256)[None])
    assert np.array_equal(colours[0], colour_table(SEQUENTIAL))


def test_the_table_is_matplotlibs():
    expected = np.rint(mpl.colormaps["inferno"](np.arange(256))[:, :3] * 255)
    assert np.array_equal(colour_table("inferno"), expected)
    assert not colour_table("inferno").flags.writeable


def test_the_default_grows_lighter_at_every_step_of_eight():
    luminance = colour_table(SEQUENTIAL)[::8] @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > 0).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_precision_does_not_change_the_ends(dtype):
    colours = colourise(np.array([[0, 1]], dtype))
    assert np.array_equal(colours[0], colour_table(SEQUENTIAL)[[0, 255]])


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf")])
def test_values_outside_the_unit_interval_are_refused(value):
    with pytest.raises(InputError, match="not within"):
        colourise(np.array([[0.5, value]]))


def test_an_unknown_colormap_is_named_with_its_neighbours():
    with pytest.raises(SettingError, match=r"'infern'; did you mean 'inferno'"):
        colourise(np.zeros((2, 2)), colours="infern")


def test_signed_values_put_zero_in_the_middle_and_are_symmetric():
    table = colour_table(DIVERGING, 257)
    colours = colourise_signed(np.array([[-2.0, -1.0, 0.0, 1.0, 2.0]]))
    assert np.array_equal(colours[0], table[[0, 64, 128, 192, 256]])
    red, blue = colours[0, -1], colours[0, 0]
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_the_limit_is_the_scale_of_signed_values():
    table = colour_table(DIVERGING, 257)
    assert np.array_equal(colourise_signed(np.array([[1.0]]), limit=4.0)[0, 0], table[160])
    with pytest.raises(InputError, match=r"exceeds the limit 0\.5"):
        colourise_signed(np.array([[1.0]]), limit=0.5)


def test_a_signed_map_of_zeros_is_all_middle():
    colours = colourise_signed(np.zeros((3, 3)))
    assert (colours == colour_table(DIVERGING, 257)[128]).all()


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_signed_values_must_be_finite(value):
    with pytest.raises(InputError, match="finite"):
        colourise_signed(np.array([[0.5, value]]))


def test_importing_pictures_needs_neither_torch_nor_matplotlib(fresh_python):
    loaded = fresh_python(
        "import sys, regionwise.pictures.sheet, regionwise.pictures.panel;"
        "print([m for m in ('torch', 'matplotlib', 'regionwise.attribution') if m in sys.modules])"
    )
    assert loaded.strip() == "[]"
