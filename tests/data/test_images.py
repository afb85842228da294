"""Image files as they come: found in a stable order, opened as upright eight-bit RGB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from regionwise.data.images import find_images, open_image
from regionwise.errors import ImageError


def picture(size: tuple[int, int] = (24, 16)) -> Image.Image:
    """Draw a gradient with a red square at the top left."""
    w, h = size
    across = np.linspace(0, 255, w)[None, :].repeat(h, 0)
    down = np.linspace(0, 255, h)[:, None].repeat(w, 1)
    rgb = np.stack([across, down, 255 - across], -1).astype(np.uint8)
    image = Image.fromarray(rgb)
    ImageDraw.Draw(image).rectangle((0, 0, 5, 5), fill=(255, 0, 0))
    return image


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture().save(path)
    return path


def test_a_folder_gives_its_images_at_any_depth_sorted_without_hidden_ones(tmp_path):
    wanted = [touch(tmp_path / name) for name in ("a.png", "b/c.JPG", "b/d/e.webp", "f.bmp")]
    touch(tmp_path / ".hidden.png")
    touch(tmp_path / ".cache" / "g.png")
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "folder.png").mkdir()
    assert find_images([tmp_path]) == tuple(sorted(wanted))


def test_a_pattern_is_expanded_as_a_shell_would(tmp_path, monkeypatch):
    for name in ("pics/b.png", "pics/a.png", "pics/deep/c.png", "pics/.d.png"):
        touch(tmp_path / name)
    (tmp_path / "pics" / "e.txt").write_text("no image")
    monkeypatch.chdir(tmp_path)
    assert find_images(["pics/*.png"]) == (Path("pics/a.png"), Path("pics/b.png"))
    assert find_images(["pics/*"])[-1] == Path("pics/deep/c.png")
    assert len(find_images(["pics/**/*.png"])) == 3


def test_a_named_file_is_taken_as_it_is_also_with_brackets_or_another_suffix(tmp_path):
    odd = tmp_path / "a[1].png"
    touch(odd)
    data = tmp_path / "picture.dat"
    data.write_bytes(odd.read_bytes())
    assert find_images([odd, str(data)]) == (odd, data)
    assert open_image(data).size == (24, 16)


def test_the_order_given_is_kept_and_nothing_comes_twice(tmp_path, monkeypatch):
    b, a = touch(tmp_path / "b.png"), touch(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    assert find_images([b, "b.png", tmp_path, "./a.png"]) == (b, a)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.png", "does not exist"),
        ("none/*.png", "no image matches"),
        ("empty", "holds no image"),
        ("a\0b.png", "does not exist"),
        ("x" * 5000, "cannot read"),
        ("~nobody-of-that-name/a.png", "home"),
    ],
)
def test_what_stands_for_no_file_is_named(tmp_path, monkeypatch, name, says):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageError, match=says) as caught:
        find_images([name])
    assert repr(name)[1:10] in str(caught.value)


def saved(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "gif", "ppm"])
def test_lossless_formats_come_back_the_same(tmp_path, suffix):
    source = picture().quantize(64).convert("RGB") if suffix == "gif" else picture()
    path = saved(
        tmp_path / f"x.{suffix}", source, **({"lossless": True} if suffix == "webp" else {})
    )
    opened = open_image(path)
    assert opened.mode == "RGB"
    assert np.array_equal(np.asarray(opened), np.asarray(source))


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK"])
def test_other_modes_become_rgb(tmp_path, mode):
    converted = picture().convert(mode)
    path = saved(tmp_path / ("x.tif" if mode == "CMYK" else "x.png"), converted)
    opened = open_image(path)
    assert opened.mode == "RGB"
    assert np.array_equal(np.asarray(opened), np.asarray(converted.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composited_over_white(tmp_path, mode):
    image = Image.new(mode, (10, 10), (0, 0, 0, 0) if mode == "RGBA" else (0, 0))
    image.paste((0, 0, 0, 255) if mode == "RGBA" else (0, 255), (0, 0, 5, 10))
    half = (0, 0, 0, 128) if mode == "RGBA" else (0, 128)
    image.putpixel((9, 9), half)
    pixels = np.asarray(open_image(saved(tmp_path / "x.png", image)))
    assert pixels[0, 0].tolist() == [0, 0, 0]
    assert pixels[0, 9].tolist() == [255, 255, 255]
    assert abs(int(pixels[9, 9, 0]) - 127) <= 1


@pytest.mark.parametrize("transparency", [0, b"\x00\xff\xff"])
def test_a_transparent_palette_colour_becomes_white_without_a_warning(tmp_path, transparency):
    image = Image.new("P", (10, 10))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putpixel((3, 3), 1)
    path = saved(tmp_path / "x.png", image, transparency=transparency)
    pixels = np.asarray(open_image(path))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[3, 3].tolist() == [0, 255, 0]


def test_a_transparent_colour_of_a_true_colour_png_becomes_white(tmp_path):
    image = Image.new("RGB", (10, 10), (1, 2, 3))
    image.putpixel((3, 3), (9, 9, 9))
    pixels = np.asarray(open_image(saved(tmp_path / "x.png", image, transparency=(1, 2, 3))))
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[3, 3].tolist() == [9, 9, 9]


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bits_are_scaled_not_clipped(tmp_path, suffix):
    values = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    path = saved(tmp_path / f"x.{suffix}", Image.fromarray(values))
    pixels = np.asarray(open_image(path))
    expected = np.rint(values / 257).astype(np.uint8)
    assert np.array_equal(pixels, expected[:, :, None].repeat(3, 2))
    assert len(np.unique(pixels)) == 256


def test_floating_point_in_the_unit_interval_is_scaled(tmp_path):
    values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    pixels = np.asarray(open_image(saved(tmp_path / "x.tif", Image.fromarray(values))))
    assert pixels[0, 0, 0] == 0
    assert pixels[-1, -1, 0] == 255
    assert len(np.unique(pixels)) == 256


@pytest.mark.parametrize("value", [float("nan"), 1.5, -0.1, float("inf")])
def test_floating_point_out_of_range_is_refused(tmp_path, value):
    values = np.full((16, 16), 0.5, np.float32)
    values[3, 3] = value
    path = saved(tmp_path / "x.tif", Image.fromarray(values))
    with pytest.raises(ImageError, match="holds values from"):
        open_image(path)


def test_wide_integers_are_refused(tmp_path):
    values = np.full((16, 16), 70000, np.int32)
    with pytest.raises(ImageError, match="sixteen bits"):
        open_image(saved(tmp_path / "x.tif", Image.fromarray(values)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied_once(tmp_path, orientation):
    upright = picture()
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = upright if stored is None else upright.transpose(stored)
    opened = open_image(saved(tmp_path / "x.png", file, exif=exif))
    assert np.array_equal(np.asarray(opened), np.asarray(upright))
    assert not opened.info
    assert opened.getexif().get(0x0112) is None


def test_exif_that_cannot_be_read_counts_as_upright(tmp_path):
    path = saved(tmp_path / "x.jpg", picture(), exif=b"Exif\0\0II*\0\xff\xff\xff\x7fbroken")
    assert open_image(path).size == (24, 16)


def test_of_an_animation_the_first_frame_counts(tmp_path):
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "lime", "blue")]
    path = saved(tmp_path / "x.gif", frames[0], save_all=True, append_images=frames[1:])
    assert np.asarray(open_image(path))[5, 5].tolist() == [255, 0, 0]


def test_an_adobe_cmyk_jpeg_is_not_inverted(tmp_path):
    path = saved(tmp_path / "x.jpg", Image.new("RGB", (16, 16), "white").convert("CMYK"))
    assert np.asarray(open_image(path)).min() > 250
