"""Contributions in words: by hand, and where nothing or everything is asked."""

import math

import pytest
import torch

from regionwise.errors import TargetError
from regionwise.heads.regions import differences_of, regions_of
from samples import assert_same, float64

PLANE = float64([[0.10, 0.02, 0.00], [0.04, 0.20, 0.04]])
"""The class has 40 %."""


def test_cells_above_a_part_of_the_strongest():
    found = regions_of(PLANE, share=None, least=0.15)
    assert found.cells == ((1, 1), (0, 0), (1, 0), (1, 2))  # ties in reading order
    assert found.values == (0.20, 0.10, 0.04, 0.04)
    assert found.total == 6
    assert_same(found.probability, 0.40)
    assert_same(found.held, 0.38)
    assert_same(found.share, 0.95)
    assert str(found) == "4 of 6 regions hold 95.0% of the 40.0%"
    # the strongest cell times one half is not above itself
    assert regions_of(PLANE, share=None, least=0.5).cells == ((1, 1),)
    assert len(regions_of(PLANE, share=None, least=0.0).cells) == 5


@pytest.mark.parametrize(
    ("share", "count"), [(0.4, 1), (0.5, 1), (0.51, 2), (0.75, 2), (0.8, 3), (0.95, 4), (1.0, 5)]
)
def test_the_fewest_cells_that_hold_a_share(share, count):
    found = regions_of(PLANE, share=share, least=0.05)
    assert len(found.cells) == count
    assert found.share >= share - 1e-12
    if count > 1:
        fewer = sum(found.values[:-1]) / found.probability
        assert fewer < share


def test_one_cell_holds():
    found = regions_of(float64([[0.5, 0.0]]), share=0.9, least=0.05)
    assert str(found) == "1 of 2 regions holds 100.0% of the 50.0%"


def test_a_share_of_one_is_always_reached():
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        plane = torch.rand(14, 14, generator=generator) ** 8
        found = regions_of(plane, share=1.0, least=0.05)
        assert abs(found.share - 1) < 1e-9
        assert len(found.cells) <= 196


def test_a_class_of_no_probability():
    found = regions_of(torch.zeros(2, 2), share=None, least=0.05)
    assert found.cells == ()
    assert found.share == 0
    assert regions_of(torch.zeros(2, 2), share=0.5, least=0.05).held == 0


def test_differences_in_bands():
    plane = float64([[0.5, -0.1, 0.3], [0.2, -0.4, 0.0]])
    found = differences_of(plane, band=2)
    assert_same(found.total, 0.5)
    assert [band.first for band in found.lead] == [1, 3]
    assert [band.cells for band in found.lead] == [((0, 0), (0, 2)), ((1, 0),)]
    assert [band.values for band in found.lead] == [(0.5, 0.3), (0.2,)]
    assert [band.cells for band in found.trail] == [((1, 1), (0, 1))]
    assert [band.values for band in found.trail] == [(-0.4, -0.1)]
    assert_same([band.sum for band in found.lead + found.trail], [0.8, 0.2, -0.5])
    assert_same([band.share for band in found.lead + found.trail], [1.6, 0.4, -1.0])
    assert_same(sum(band.share for band in found.lead + found.trail), 1.0)
    said = "difference +50.00%; lead 1-2: +80.00%; lead 3-3: +20.00%; trail 1-2: -50.00%"
    assert str(found) == said


def test_seen_from_the_other_class_lead_and_trail_change_places():
    plane = float64([[0.5, -0.1, 0.3], [0.2, -0.4, 0.0]])
    here, there = differences_of(plane, band=2), differences_of(-plane, band=2)
    assert [band.cells for band in here.lead] == [band.cells for band in there.trail]
    assert [band.share for band in here.lead] == [band.share for band in there.trail]
    assert here.total == -there.total


def test_no_difference_has_no_shares():
    found = differences_of(float64([[0.25, -0.25]]), band=5)
    assert found.total == 0
    assert all(math.isnan(band.share) for band in found.lead + found.trail)
    assert differences_of(torch.zeros(2, 2), band=5).lead == ()


def test_what_cannot_be_asked():
    for share in (0.0, -0.1, 1.1, math.nan):
        with pytest.raises(TargetError, match="share"):
            regions_of(PLANE, share=share, least=0.05)
    for least in (-0.1, 1.0, math.nan):
        with pytest.raises(TargetError, match="least"):
            regions_of(PLANE, share=None, least=least)
    for band in (0, -5):
        with pytest.raises(TargetError, match="band"):
            differences_of(PLANE, band=band)
