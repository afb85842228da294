"""What the network sees: the same for the same seed, epoch and image, in whatever order."""

import numpy as np
import pytest
import torch
from PIL import Image

from regionwise.errors import ImageError
from regionwise.models.preprocessing import Preprocessing
from regionwise.training.batches import EpochBatches, Features, Pictures, fits_in_memory
from regionwise.training.samples import Sample, read_data
from regionwise.training.schemes import Scheme
from regionwise.training.views import View, preprocessing_of

HOW = Preprocessing(size=(16, 16), resize=18)
KINDS = ("resized-crop", "crop", "flip", "none")


@pytest.fixture
def samples(birds):
    return read_data(f"birds:{birds}").train[:6]


def keys_of(batches, epoch):
    batches.set_epoch(epoch)
    return [key for batch in batches for key in batch]


def test_an_epoch_has_every_image_once_in_an_order_of_its_own():
    batches = EpochBatches(10, 4, seed=3)
    first, second = keys_of(batches, 0), keys_of(batches, 1)
    assert sorted(i for _, i in first) == sorted(i for _, i in second) == list(range(10))
    assert [i for _, i in first] != [i for _, i in second]
    assert keys_of(EpochBatches(10, 4, seed=3), 1) == second
    assert {epoch for epoch, _ in second} == {1}
    assert keys_of(EpochBatches(5, 2), 0) == [(0, i) for i in range(5)]


def test_a_last_image_is_not_left_alone():
    assert [len(b) for b in EpochBatches(9, 4, seed=0)] == [4, 5]
    assert [len(b) for b in EpochBatches(10, 4, seed=0)] == [4, 4, 2]
    assert len(EpochBatches(9, 4, seed=0)) == 2


@pytest.mark.parametrize("count", [8, 9, 11, 15])
def test_devices_share_the_images_of_every_step(count):
    parts = [list(EpochBatches(count, 4, seed=1, rank=r, world=2)) for r in range(2)]
    assert len(parts[0]) == len(parts[1])
    shared = [[{i for _, i in step} for step in part] for part in parts]
    for one, other in zip(*shared, strict=True):
        assert not one & other
        assert min(len(one), len(other)) >= 2
    assert set().union(*shared[0], *shared[1]) == set(range(count))
    first = next({i for _, i in step} for step in EpochBatches(count, 4, seed=1))
    assert shared[0][0] | shared[1][0] == first


@pytest.mark.parametrize("kind", KINDS)
def test_pixels_follow_from_seed_epoch_and_index_alone(samples, kind):
    view = View(HOW, kind, seed=5)
    pictures, kept = Pictures(samples, view), Pictures(samples, view, keep=True)
    both, labels, index = pictures[[(1, 0), (1, 4)]]
    assert both.shape == (2, 3, 16, 16)
    assert both.dtype == torch.uint8
    assert labels.tolist() == [samples[0].label, samples[4].label]
    assert index.tolist() == [0, 4]
    for _ in range(2):
        assert torch.equal(kept[[(1, 4)]][0][0], both[1])
    others = [kept[[(epoch, 4)]][0][0] for epoch in range(8)]
    moving = not all(torch.equal(other, others[0]) for other in others)
    assert moving is (kind != "none")
    assert Pictures(samples, View(HOW, kind, seed=6))[[(1, 4)]][0].shape == (1, 3, 16, 16)


def test_without_augmentation_pixels_are_those_of_the_preprocessing(samples):
    pixels, _, _ = Pictures(samples, View(HOW))[[(0, 2)]]
    with Image.open(samples[2].path) as image:
        wanted = HOW(image)
    assert torch.allclose(HOW.normalize(pixels.float() / 255), wanted, atol=1e-6)


def test_flip_shows_the_picture_or_its_mirror_image(samples):
    plain, _, _ = Pictures(samples, View(HOW))[[(0, 1)]]
    view = Pictures(samples, View(HOW, "flip"))
    seen = [view[[(epoch, 1)]][0] for epoch in range(12)]
    mirrored = [torch.equal(one, plain.flip(-1)) for one in seen]
    assert any(mirrored)
    assert not all(mirrored)
    assert all(m or torch.equal(one, plain) for m, one in zip(mirrored, seen, strict=True))


def test_features_are_mirrored_when_pictures_would_be(samples):
    activations = torch.stack([torch.zeros(6, 2, 3, 3), torch.ones(6, 2, 3, 3)])
    features = Features(samples, activations, seed=0)
    plain, _, _ = Pictures(samples, View(HOW))[[(0, 1)]]
    view = Pictures(samples, View(HOW, "flip", seed=0))
    for epoch in range(6):
        found, labels, _ = features[[(epoch, 1)]]
        mirrored = torch.equal(view[[(epoch, 1)]][0], plain.flip(-1))
        assert found.shape == (1, 2, 3, 3)
        assert found.eq(float(mirrored)).all()
        assert labels.tolist() == [samples[1].label]


def test_a_resized_crop_lies_in_the_picture_at_any_aspect():
    wide = np.zeros((20, 200, 3), np.uint8)
    wide[:, :, 0] = 200
    view = View(HOW, "resized-crop")
    for epoch in range(20):
        pixels = view.pixels(Image.fromarray(wide), epoch, 0)
        assert pixels.shape == (3, 16, 16)
        assert (pixels[0] == 200).all()


def test_pictures_are_kept_only_where_they_are_small(samples):
    for kind in KINDS:
        assert fits_in_memory(samples, View(HOW, kind))
        assert not fits_in_memory(samples, View(HOW, kind), limit=100)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_a_picture_that_cannot_be_read_is_named(samples, tmp_path, keep, content):
    broken = tmp_path / "broken.png"
    broken.write_bytes(content)
    with pytest.raises(ImageError, match=r"broken\.png"):
        Pictures([*samples, Sample(broken, 0, "broken")], View(HOW), keep=keep).check()


def test_the_size_is_the_schemes_or_the_backbones_own():
    own = Preprocessing(size=(96, 96), resize=100, mean=(0.5,) * 3, std=(0.5,) * 3)
    assert preprocessing_of(Scheme(size=0), own) == own
    for view, resize in (("crop", 128), ("fit", 112), ("squash", None)):
        found = preprocessing_of(Scheme(size=112, view=view), own)
        assert (found.size, found.resize, found.mean) == ((112, 112), resize, own.mean)
    published = [(448, 512), (224, 256)]
    for size, resize in published:
        assert preprocessing_of(Scheme(size=size), None).resize == resize
