"""From exact contributions to numbers, words and a picture, by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from regionwise.attribution.result import Attribution
from regionwise.errors import InputError, TargetError
from regionwise.pictures.comparison import band_colour
from regionwise.report import regions as report
from regionwise.report.regions import compare

FIRST = [[0.30, 0.05, 0.0], [0.05, 0.0, 0.0]]
SECOND = [[0.10, 0.15, 0.0], [0.00004, 0.0, 0.0]]


def exact(*maps, **changes):
    """The attribution of one image, 16 x 24 pixels, to classes a, b, c."""
    stacked = torch.tensor([maps], dtype=torch.float64)
    count = len(maps)
    values = {
        "method": "cape",
        "maps": stacked,
        "targets": torch.arange(count)[None],
        "target_names": (tuple("abc"[:count]),),
        "scores": stacked.sum((2, 3)),
        "probabilities": stacked.sum((2, 3)),
        "layer": "backbone",
        "size": (16, 24),
        "flags": (((),) * count,),
        "top": (("a", 0.4),),
        "images": torch.full((1, 3, 16, 24), 0.5),
        "exact": True,
    }
    return Attribution(**(values | changes))


@pytest.fixture
def drawn(monkeypatch):
    """Catch what is drawn instead of drawing it."""
    caught = []

    def caught_comparison(*arguments):
        caught.append(arguments)
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr(report, "comparison", caught_comparison)
    return caught


def test_regions_and_differences_by_hand():
    found = compare(exact(FIRST, SECOND), band=1)
    a, b = found.regions
    assert str(a) == "3 of 6 regions hold 100.0% of the 40.0%"
    assert str(b) == "2 of 6 regions hold 100.0% of the 25.0%"
    assert found.difference.total == pytest.approx(0.14996)
    assert [band.cells[0] for band in found.difference.lead] == [(0, 0), (1, 0)]
    assert [band.cells[0] for band in found.difference.trail] == [(0, 1)]
    assert found.difference.lead[0].share == pytest.approx(0.2 / 0.14996)
    assert found.picture.mode == "RGB"


def test_only_the_first_two_of_more_targets_are_compared():
    third = [[0.0, 0.0, 0.2], [0.0, 0.0, 0.0]]
    two, three = compare(exact(FIRST, SECOND)), compare(exact(FIRST, SECOND, third))
    assert two.difference == three.difference


def test_regions_below_the_threshold_get_no_number(drawn):
    found = compare(exact(FIRST, SECOND), least=0.2)
    assert found.regions[0].cells == ((0, 0),)
    _, sides, _, _ = drawn[0]
    assert dict(sides[0].values.texts) == {(0, 0): "30"}
    assert dict(sides[1].values.texts) == {(0, 1): "15", (0, 0): "10"}
    assert sides[0].words == str(found.regions[0])
    assert (sides[0].probability, sides[0].name) == (pytest.approx(0.4), "a")


def test_numbers_of_the_difference_have_their_bands_colour_and_none_reads_zero(drawn):
    faint = [[0.1, 0.0, 0.2], [0.0, 0.0, 0.00004]]
    compare(exact(faint, SECOND), band=1)
    _, _, lead, _ = drawn[0]
    assert dict(lead.values.texts) == {(0, 2): "20", (0, 1): "15"}
    assert lead.values.inks[0, 2] == band_colour(0, positive=True)
    assert lead.values.inks[0, 1] == band_colour(0, positive=False)
    first = next(text for _, text in lead.lines)
    assert first == "regions 1-1 for the first: +20.00%, 400% of +5.0%"


def test_what_follows_the_bands_shown_is_told_in_one_line(drawn):
    wide = [[[0.05 - 0.005 * n for n in range(6)]], [[0.0] * 6]]
    compare(exact(*wide), band=1)
    lines = [text for _, text in drawn[0][2].lines]
    assert len(lines) == 4
    assert lines[-1] == "3 more regions for the first: +9.00%"


def test_the_map_is_brought_to_the_size_of_the_image(drawn):
    compare(exact(FIRST, SECOND))
    image, sides, lead, truth = drawn[0]
    assert image.shape == (16, 24, 3)
    assert sides[0].contributions.shape == lead.difference.shape == (16, 24)
    assert np.allclose(lead.difference, sides[0].contributions - sides[1].contributions)
    assert truth is None


def test_the_truth_is_red_on_the_image_and_the_rest_pale(drawn):
    truth = np.zeros((16, 24), bool)
    truth[:8] = True
    compare(exact(FIRST, SECOND), truth=truth)
    shown = drawn[0][3].astype(int)
    assert (shown[:8, :, 0] > shown[:8, :, 2] + 80).all()
    assert (shown[8:, :, 0] == shown[8:, :, 2]).all()
    assert shown[8:].min() > 150


def test_a_batch_is_asked_by_its_number():
    one = exact(FIRST, SECOND)
    maps = torch.cat([one.maps, one.maps.flip(1)])
    both = replace(
        one,
        maps=maps,
        targets=one.targets.repeat(2, 1),
        target_names=one.target_names * 2,
        scores=maps.sum((2, 3)),
        probabilities=maps.sum((2, 3)),
        flags=one.flags * 2,
        top=one.top * 2,
        images=one.images.repeat(2, 1, 1, 1),
    )
    assert compare(both, 0).difference.total == -compare(both, 1).difference.total


@pytest.mark.parametrize(
    ("attribution", "says"),
    [
        (exact(FIRST, SECOND, exact=False, method="grad-cam"), "'grad-cam' does not add up"),
        (exact(FIRST), "two targets"),
        (exact(FIRST, SECOND, images=None), "the image itself"),
    ],
)
def test_what_cannot_be_compared_is_refused(attribution, says):
    with pytest.raises(InputError, match=says):
        compare(attribution)


def test_numbers_out_of_range_are_refused():
    with pytest.raises(TargetError, match="least"):
        compare(exact(FIRST, SECOND), least=1.0)
    with pytest.raises(TargetError, match="band"):
        compare(exact(FIRST, SECOND), band=0)
    with pytest.raises(InputError, match=r"\(4, 4\) pixels, the image \(16, 24\)"):
        compare(exact(FIRST, SECOND), truth=np.zeros((4, 4), bool))
    with pytest.raises(InputError, match="no image 1"):
        compare(exact(FIRST, SECOND), 1)


def test_equal_classes_have_no_lead():
    found = compare(exact(FIRST, FIRST))
    assert found.difference.total == 0
    assert found.difference.lead == found.difference.trail == ()
