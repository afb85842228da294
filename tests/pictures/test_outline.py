"""The border of a region: by hand on a few pixels."""

import numpy as np

from regionwise.pictures.outline import DARK, LIGHT, grown, outlined


def test_a_region_grows_by_steps_not_across_corners():
    region = np.zeros((5, 5), bool)
    region[2, 2] = True
    assert grown(region, 1).sum() == 5
    assert grown(region, 2).sum() == 13
    assert region.sum() == 1


def test_inside_is_dark_outside_light_and_the_rest_as_it_was():
    image = np.full((7, 7, 3), 90, np.uint8)
    region = np.zeros((7, 7), bool)
    region[2:5, 2:5] = True
    found = outlined(image, region)
    assert (found[2, 3] == DARK).all()
    assert (found[1, 3] == LIGHT).all()
    assert (found[3, 3] == 90).all()
    assert (found[0, 0] == 90).all()
    assert (image == 90).all()


def test_the_border_of_the_picture_is_none_of_the_region():
    image = np.zeros((4, 4, 3), np.uint8)
    assert (outlined(image, np.ones((4, 4), bool)) == 0).all()
    assert (outlined(image, np.zeros((4, 4), bool)) == 0).all()
