"""Two classes on a page: one scale for both, red for the first, blue for the second."""

from dataclasses import replace

import numpy as np
import pytest

from regionwise.pictures.canvas import PAPER
from regionwise.pictures.comparison import MARGIN, SIDE, Lead, Side, band_colour, comparison
from regionwise.pictures.values import Values

GREY = np.full((32, 32, 3), 128, np.uint8)
NONE = Values(2, 2, {})
FAINT = np.full((32, 32), 0.01)


def side(map_, name="Great_Tit", probability=0.4):
    return Side(name, probability, map_, NONE, "3 of 4 regions hold 99% of the 40%")


def lead(difference, *lines):
    return Lead(0.1, difference, NONE, lines)


def picture_at(page, column):
    """The picture in a column, in pixels, without its soft corners."""
    left = 2 * (MARGIN + column * (SIDE + 14)) + 20
    top = 2 * (MARGIN + 46) + 20
    return np.asarray(page)[top : top + 2 * SIDE - 40, left : left + 2 * SIDE - 40]


def halves(picture):
    middle = picture.shape[1] // 2
    return (part.reshape(-1, 3).mean(0) for part in (picture[:, :middle], picture[:, middle:]))


def test_the_first_column_is_the_image_itself():
    page = comparison(GREY, (side(FAINT), side(FAINT)), lead(FAINT * 0))
    assert (picture_at(page, 0) == 128).all()


def test_both_classes_share_one_scale():
    """A map of a tenth of the other's strength stays pale; by itself it would be as bright."""
    ramp = np.tile(np.linspace(0, 1, 32), (32, 1))
    page = comparison(GREY, (side(ramp), side(ramp / 10)), lead(ramp * 0.9))
    strong, weak = picture_at(page, 1), picture_at(page, 2)
    alone = comparison(GREY, (side(ramp / 10), side(ramp / 10)), lead(ramp * 0))
    assert np.array_equal(picture_at(alone, 2), strong), "by itself it would look the same"
    spread = [float(np.ptp(p.astype(float).mean(-1))) for p in (strong, weak)]
    assert spread[1] < spread[0] / 2


def test_red_is_where_the_first_leads_and_blue_where_the_second_does():
    difference = np.concatenate([np.full((32, 16), 0.2), np.full((32, 16), -0.2)], axis=1)
    left, right = halves(picture_at(comparison(GREY, (side(FAINT),) * 2, lead(difference)), 3))
    assert left[0] > left[2] + 30
    assert right[2] > right[0] + 30


def test_the_truth_is_a_fifth_column():
    truth = np.full((32, 32, 3), (200, 40, 48), np.uint8)
    plain = comparison(GREY, (side(FAINT),) * 2, lead(FAINT * 0))
    page = comparison(GREY, (side(FAINT),) * 2, lead(FAINT * 0), truth)
    assert page.width - plain.width == 2 * (SIDE + 14)
    assert (picture_at(page, 4) == (200, 40, 48)).all()


def test_a_line_for_each_band_in_its_colour():
    lines = [(band_colour(n, positive=n < 2), f"regions {n}") for n in range(4)]
    plain, told = (
        comparison(GREY, (side(FAINT),) * 2, lead(FAINT * 0, *some)) for some in ((), lines)
    )
    assert told.height > plain.height
    foot = np.asarray(told)[-2 * 80 :]
    assert all((foot == ink).all(-1).any() for ink, _ in lines)
    assert not (foot[-16:] != PAPER).any(), "nothing over the edge"


def test_the_first_band_is_the_darkest_and_leads_are_red():
    reds = [band_colour(n, positive=True) for n in range(5)]
    blues = [band_colour(n, positive=False) for n in range(5)]
    assert [sum(c) for c in reds] == sorted(sum(c) for c in reds)
    assert [sum(c) for c in blues] == sorted(sum(c) for c in blues)
    assert reds[3] == reds[4]
    assert all(r > b for r, _, b in reds)
    assert all(b > r for r, _, b in blues)


@pytest.mark.parametrize("shape", [(32, 64), (64, 32)])
def test_images_that_are_not_square_keep_their_shape(shape):
    image = np.full((*shape, 3), 128, np.uint8)
    flat = np.zeros(shape)
    page = comparison(image, (side(flat),) * 2, lead(flat))
    inside = (np.asarray(page)[:, : 2 * (MARGIN + SIDE)] == 128).all(-1)
    assert np.ptp(np.nonzero(inside.any(0))[0]) + 1 == pytest.approx(2 * SIDE, abs=4)
    assert np.ptp(np.nonzero(inside.any(1))[0]) + 1 == pytest.approx(
        2 * SIDE * shape[0] / shape[1], abs=4
    )


def test_long_names_do_not_run_into_each_other():
    long = replace(side(FAINT), name="a_name_without_an_end_" * 20, words="so many words " * 40)
    page = np.asarray(comparison(GREY, (long, long), lead(FAINT * 0)))
    gap = page[:, 2 * (MARGIN + 2 * SIDE + 14) + 2 : 2 * (MARGIN + 2 * (SIDE + 14)) - 2]
    assert (gap == PAPER).all()
