"""Pictures of labels keep their numbers."""

import numpy as np
import pytest
from PIL import Image

from regionwise.data.images import label_image
from regionwise.errors import ImageError

LABELS = np.zeros((10, 12), np.uint8)
LABELS[2:5, 3:9] = 4
LABELS[6:8, 1:3] = 17


def test_a_palette_gives_its_indices_not_its_colours(tmp_path):
    picture = Image.fromarray(LABELS).convert("P")
    picture.putdata(LABELS.flatten().tolist())
    picture.putpalette([255 - n // 3 for n in range(768)])
    picture.save(tmp_path / "parts.png")
    assert np.array_equal(label_image(tmp_path / "parts.png"), LABELS)


def test_grey_gives_its_values_and_colours_their_brightness(tmp_path):
    Image.fromarray(LABELS).save(tmp_path / "grey.png")
    assert np.array_equal(label_image(tmp_path / "grey.png"), LABELS)
    Image.fromarray(LABELS).convert("RGB").save(tmp_path / "rgb.png")
    assert np.array_equal(label_image(tmp_path / "rgb.png"), LABELS)
    Image.fromarray(LABELS > 0).save(tmp_path / "two.png")
    assert np.array_equal(label_image(tmp_path / "two.png") > 0, LABELS > 0)


@pytest.mark.parametrize("damage", ["missing", "cut", "text"])
def test_what_cannot_be_read_is_told(tmp_path, damage):
    path = tmp_path / "parts.png"
    if damage == "cut":
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:300])
    elif damage == "text":
        path.write_text("labels")
    with pytest.raises(ImageError, match=r"parts\.png"):
        label_image(path)
