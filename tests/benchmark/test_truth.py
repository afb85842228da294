"""Masks and boxes lie where the model sees them: by eye, and against the preprocessing itself."""

import numpy as np
import pytest
import torch
from PIL import Image

from regionwise.benchmark.samples import Picture, read_benchmark_data
from regionwise.benchmark.truth import (
    cue_of,
    frame_of,
    framed_boxes,
    framed_mask,
    known_of,
    truth_of,
)
from regionwise.errors import InputError
from regionwise.models.preprocessing import Preprocessing

HOWS = [
    Preprocessing(size=(20, 20), resize=None),
    Preprocessing(size=(20, 16), resize=24),
    Preprocessing(size=(16, 20), resize=(30, 24)),
    Preprocessing(size=(40, 40), resize=32),
]


@pytest.mark.parametrize("how", HOWS)
def test_a_box_lies_where_its_pixels_are_seen(how):
    """A white rectangle, as the model sees it, fills its transformed box up to half a pixel."""
    pixels = np.zeros((60, 80, 3), np.uint8)
    pixels[16:44, 24:60] = 255
    seen = np.asarray(how.view(Image.fromarray(pixels)))[..., 0] > 127
    ((left, top, right, bottom),) = framed_boxes(how, [(24, 16, 60, 44)], (80, 60))
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    met = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert np.allclose((left, top, right, bottom), met, atol=1.0)
    mask = framed_mask(how, (pixels[..., 0] > 0) * np.uint8(7))
    assert set(np.unique(mask)) == {0, 7}
    assert ((mask > 0) ^ seen).mean() < 0.08


def test_by_hand():
    how = Preprocessing(size=(10, 10), resize=20)
    frame = frame_of(how, (80, 40))
    assert (frame.scaled, frame.corner) == ((40, 20), (15, 5))
    assert framed_boxes(how, [(30, 10, 50, 90), (0, 0, 20, 10)], (80, 40)) == [(0, 0, 10, 10)]


def test_what_is_known_of_birds(birds):
    data = read_benchmark_data(f"birds:{birds}")
    how = Preprocessing(size=(24, 24), resize=None)
    known = [known_of(how, p, (32, 32), data.scenes[p.name]) for p in data.pictures[:2]]
    truth = truth_of(known, how)
    assert truth.regions.shape == (2, 24, 24)
    assert truth.parts.shape == (2, 7, 24, 24)
    assert not (truth.parts.any(dim=1) & ~truth.regions).any()
    edited = truth.edited()
    assert edited.shape == (2, 7, 3, 24, 24)
    plain = how([Image.open(p.path) for p in data.pictures[:2]])
    changed = (edited != plain[:, None]).any(dim=2)
    assert changed.flatten(1).any(dim=1).all()
    near = torch.nn.functional.max_pool2d(truth.parts.float(), 7, 1, 3) > 0
    assert not (changed & ~near).any(), "nothing changes far from the part"
    assert truth.edited() is edited


def test_truth_that_one_picture_lacks_is_left_out(birds):
    data = read_benchmark_data(f"cub:{birds}")
    how = Preprocessing(size=(24, 24), resize=None)
    known = [known_of(how, p, (32, 32)) for p in data.pictures[:2]]
    assert truth_of(known, how).edited is None
    plain = Picture("x", data.pictures[0].path, 0)
    lacking = [known[0], known_of(how, plain, (32, 32))]
    assert truth_of(lacking, how).regions is None
    assert truth_of(lacking, how).boxes is None


def test_a_cue_is_where_parts_differ(birds):
    data = read_benchmark_data(f"cub:{birds}")
    how = Preprocessing(size=(32, 32), resize=None)
    picture = data.pictures[0]
    known = known_of(how, picture, (32, 32))
    both = cue_of(how, picture, (32, 32), {"wing", "head"})
    assert (both == (known.parts[0] | known.parts[6])).all()
    points = Picture(
        "x", picture.path, 0, None, picture.segmentation, None, None, picture.locations
    )
    near = cue_of(how, points, (32, 32), {"wing", "head"})
    assert not (near & ~known.region).any()
    assert (near & both).sum() > 0.3 * both.sum()
    with pytest.raises(InputError, match="no parts"):
        cue_of(how, Picture("x", picture.path, 0), (32, 32), {"wing"})


def test_a_mask_of_another_size_is_refused(birds):
    data = read_benchmark_data(f"cub:{birds}")
    with pytest.raises(InputError, match="must be of one size"):
        known_of(HOWS[0], data.pictures[0], (32, 31))
