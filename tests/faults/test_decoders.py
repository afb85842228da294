"""Files cut at every length, altered at random, and headers that lie, at the door of the decoder.

Whatever a file holds, ``open_image`` gives a picture or an ``ImageError`` that names the file, and
no warning. A file that was only cut gives the picture of the whole one, or none.
"""

from __future__ import annotations

import io
import struct
import tempfile
import time
import warnings
import zlib
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from PIL import Image

from regionwise.data.images import open_image
from regionwise.errors import ImageError

from .corpus import SMALL, TINY, broken, soft, varied, written
from .rare import NO_PIXELS, known, newsphoto, photo_cd, rare, tiff


def opened(path: Path, content: bytes) -> np.ndarray | None:
    """Return the picture that a file gives, None if it is refused as it should be."""
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            picture = open_image(path)
        except ImageError as error:
            reason = str(error)
        else:
            reason = ""
    if reason:
        assert path.name in reason
        assert "\n" not in reason
        return None
    assert picture.mode == "RGB"
    return np.asarray(picture)


def cut_everywhere(path: Path, content: bytes, lengths: range) -> list[int]:
    """Return the lengths at which what is left gives another picture than the whole file."""
    whole = opened(path, content)
    wrong = []
    for length in lengths:
        found = opened(path, content[:length])
        if found is not None and (whole is None or not np.array_equal(found, whole)):
            wrong.append(length)
    return wrong


@pytest.mark.parametrize("name", sorted({n.split()[0]: n for n in written(TINY)}.values()))
def test_a_file_cut_at_any_length(tmp_path, name):
    content = written(TINY)[name]
    assert not cut_everywhere(tmp_path / "x.img", content, range(1, len(content)))


@pytest.mark.parametrize("name", sorted(varied(TINY)))
def test_a_file_of_another_kind_cut_at_any_length(tmp_path, name):
    content = varied(TINY)[name]
    step = 1 + len(content) // 1200
    assert not cut_everywhere(tmp_path / "x.img", content, range(1, len(content), step))


@pytest.mark.parametrize("name", [*rare(), "PCD"])
def test_a_file_of_a_rare_format_cut_anywhere(tmp_path, name):
    content = photo_cd() if name == "PCD" else rare()[name]
    assert opened(tmp_path / "x.img", content) is not None
    step = 1 + len(content) // (12 if name == "PCD" else 60)
    assert not cut_everywhere(tmp_path / "x.img", content, range(1, len(content), step))


def test_no_decoder_is_left_out():
    """What Pillow can open is in the corpus, or never opened: EPS, and IPTC that may hold one."""
    files = {**written(TINY), **varied(TINY), **rare(), "PCD": photo_cd()}
    assert not {*Image.OPEN} - {*map(known, files.values()), *NO_PIXELS, "EPS", "IPTC"}


@pytest.mark.slow
@pytest.mark.parametrize("name", rare(SMALL))
def test_a_file_of_a_rare_format_cut_at_any_length(tmp_path, name):
    content = rare(SMALL)[name]
    assert not cut_everywhere(tmp_path / "x.img", content, range(len(content)))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted({**written(), **varied()}))
def test_a_file_of_any_mode_cut_at_any_length(tmp_path, name):
    content = {**written(), **varied()}[name]
    assert not cut_everywhere(tmp_path / "x.img", content, range(len(content)))


def test_numbers_in_text_end_where_the_file_does(tmp_path):
    """Of ``12 13`` without the 3 nobody can tell that it was cut: the last value alone is wrong."""
    rows = b" ".join(b"%d" % v for v in np.asarray(soft("RGB", TINY)).ravel())
    content = b"P3\n9 8\n255\n" + rows
    wrong = cut_everywhere(tmp_path / "x.ppm", content, range(1, len(content)))
    assert set(wrong) <= {len(content) - 1, len(content) - 2}


@pytest.mark.parametrize("name", sorted(written()))
def test_every_format_and_mode_whole(tmp_path, name):
    found = opened(tmp_path / "x.img", written()[name])
    if found is not None:
        assert min(found.shape[:2]) >= 8


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "LAB", "I", "I;16", "F"]
)
def test_modes_keep_their_colours(tmp_path, mode):
    content = written()[f"TIFF {mode}"]
    image = soft(mode)
    if mode in {"I", "I;16", "F"}:
        top = 1 if mode == "F" else 65535
        grey = np.rint(np.asarray(image) * (255 / top)).astype(np.uint8)
        expected = np.repeat(grey[..., None], 3, axis=2)
    else:
        layer = (
            image.convert("RGB").convert("RGBA")
            if mode in {"CMYK", "LAB"}
            else image.convert("RGBA")
        )
        white = Image.new("RGBA", layer.size, "white")
        expected = np.asarray(Image.alpha_composite(white, layer).convert("RGB"))
    assert np.array_equal(opened(tmp_path / "x.tif", content), expected)


def test_altered_files_are_pictures_or_refused(tmp_path):
    found = [opened(tmp_path / "x.img", content) for _, content in broken(seed=1, count=400)]
    assert 40 < sum(one is not None for one in found) < 360


@pytest.mark.slow
def test_twenty_thousand_altered_files(tmp_path):
    slowest = 0.0
    for name, content in broken(seed=2, count=20_000):
        start = time.perf_counter()
        opened(tmp_path / f"{name}.img", content)
        slowest = max(slowest, time.perf_counter() - start)
        (tmp_path / f"{name}.img").unlink()
    assert slowest < 30


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=400), st.sampled_from(sorted(written())))
def test_any_bytes_at_all(content, name):
    head = written()[name][:24]
    with tempfile.TemporaryDirectory() as folder:
        opened(Path(folder) / "x.img", content)
        opened(Path(folder) / "x.img", head + content)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from(sorted({**written(TINY), **varied(TINY)})), st.data())
def test_any_alteration(name, data):
    content = bytearray({**written(TINY), **varied(TINY)}[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place : place + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
        content = content or bytearray(1)
    with tempfile.TemporaryDirectory() as folder:
        opened(Path(folder) / "x.img", bytes(content))


def png(width: int, height: int, pixels: bytes, *, more: bytes = b"") -> bytes:
    """Return a PNG, 8-bit grey, that claims a size whatever it holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + header + more + body


def with_bytes(name: str, place: int, value: bytes) -> bytes:
    content = bytearray({**written(), **varied()}[name])
    content[place : place + len(value)] = value
    return bytes(content)


def tiff_claiming(height: int) -> bytes:
    """Return a TIFF of one strip of 16 rows that claims more."""
    content = bytearray(written()["TIFF L"])
    ifd = struct.unpack("<I", content[4:8])[0]
    for number in range(struct.unpack("<H", content[ifd : ifd + 2])[0]):
        entry = ifd + 2 + 12 * number
        if struct.unpack("<H", content[entry : entry + 2])[0] == 257:
            content[entry + 2 : entry + 12] = struct.pack("<HII", 4, 1, height)
    return bytes(content)


def j2k_claiming(height: int) -> bytes:
    content = bytearray(varied()["JPEG2000 tiles"])
    sizes = content.find(b"\xff\x4f\xff\x51") + 12
    header = content.find(b"ihdr") + 4
    content[sizes : sizes + 4] = content[header : header + 4] = struct.pack(">I", height)
    return bytes(content)


def interlaced(width: int, height: int, share: float) -> bytes:
    """Return an interlaced PNG whose last passes are missing."""
    sizes = [((width - x + a - 1) // a, (height - y + b - 1) // b) for x, y, a, b in PASSES]
    rows = b"".join((b"\0" + b"\x99" * across) * down for across, down in sizes)
    content = bytearray(png(width, height, rows[: int(share * len(rows))]))
    content[28] = 1
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


PASSES = [
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
]

BOMBS = {
    "png": png(60_000, 60_000, b""),
    "png wide": png(2**31 - 1, 8, b""),
    "bmp": with_bytes("BMP RGB", 18, struct.pack("<ii", 30_000, 30_000)),
    "gif": with_bytes("GIF P", 6, struct.pack("<HH", 60_000, 60_000)),
    "tiff": tiff_claiming(2**31),
    "j2k": j2k_claiming(2**30),
    "psd": with_bytes("PSD", 14, struct.pack(">II", 60_000, 60_000)),
    "qoi": with_bytes("QOI RGB", 4, struct.pack(">II", 60_000, 60_000)),
    "ppm": b"P6\n60000 60000\n255\n",
    "tga": with_bytes("TGA RGB", 12, struct.pack("<HH", 60_000, 60_000)),
    "sun": with_bytes("SUN", 4, struct.pack(">II", 60_000, 60_000)),
    "fits": varied()["FITS"].replace(
        f"NAXIS2  = {SMALL[1]:20d}".encode(), b"NAXIS2  =       1000000000"
    ),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_header_that_claims_a_bomb_is_refused_at_once(tmp_path, kind):
    start = time.perf_counter()
    assert opened(tmp_path / "x.img", BOMBS[kind]) is None
    assert time.perf_counter() - start < 1.5


LIES = {
    "png": png(40, 400, (b"\0" + b"\x99" * 40) * 40),
    "png interlaced": interlaced(40, 40, 0.7),
    "bmp": with_bytes("BMP RGB", 22, struct.pack("<i", 160)),
    "tiff": tiff_claiming(160),
    "tiff tall": tiff_claiming(400_000),
    "j2k": j2k_claiming(160),
    "tga": with_bytes("TGA RGB", 14, struct.pack("<H", 160)),
    "ppm": written()["PPM RGB"].replace(b"20 16", b"20 160"),
    "qoi": with_bytes("QOI RGB", 8, struct.pack(">I", 160)),
    "psd": with_bytes("PSD", 14, struct.pack(">I", 160)),
}


def test_an_interlaced_file_is_read(tmp_path):
    found = opened(tmp_path / "x.png", interlaced(19, 13, 1))
    assert found.shape == (13, 19, 3)
    assert (found == 0x99).all()


@pytest.mark.parametrize("kind", LIES)
def test_a_header_that_claims_more_than_the_file_holds(tmp_path, kind):
    assert opened(tmp_path / "x.img", LIES[kind]) is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize(
    "rubbish", [b"", b"rubbish", b"\xff" * 300, b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_rubbish_beside_the_pixels_changes_nothing(tmp_path, kind, rubbish):
    """EXIF and colour profiles that cannot be read: the picture is upright, in its own colours."""
    held, plain = io.BytesIO(), io.BytesIO()
    soft("RGB").save(plain, kind)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        more = (
            {} if kind in {"TIFF", "AVIF"} else {"exif": rubbish}
        )  # these two read it to write it
        soft("RGB").save(held, kind, icc_profile=rubbish, **more)
    found = opened(tmp_path / "x.img", held.getvalue())
    assert np.array_equal(found, opened(tmp_path / "y.img", plain.getvalue()))


@pytest.mark.parametrize("turn", [0, 9, 65_535])
def test_an_orientation_that_is_none_counts_as_upright(tmp_path, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    held = io.BytesIO()
    block = exif.tobytes()
    soft("RGB").save(held, "PNG", exif=block)
    found = opened(tmp_path / "x.png", held.getvalue())
    assert np.array_equal(found, np.asarray(soft("RGB")))


@pytest.mark.parametrize("name", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_an_animation_the_first_frame_counts(tmp_path, name):
    animated = opened(tmp_path / "x.img", varied()[f"{name} animated"])
    first = written()[f"{name} {'P' if name == 'GIF' else 'RGBA'}"]
    alone = opened(tmp_path / "y.img", first)
    assert np.abs(animated.astype(int) - alone).mean() < 6  # AVIF is lossy


@pytest.mark.parametrize("kind", ["eps", "png"])
def test_a_file_within_a_file_is_not_opened(tmp_path, monkeypatch, kind):
    """Pillow hands what an IPTC file holds to any decoder, Ghostscript too."""
    ran = []
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *a, **_: ran.append(a))
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 40 40\n%%EndComments\nshowpage\n"
    inner = program if kind == "eps" else written()["PNG RGB"]
    assert opened(tmp_path / "x.jpg", newsphoto(inner)) is None
    assert not ran


RAMP = np.arange(160).reshape(10, 16)
DEEP = {
    "16 bits": (tiff((RAMP * 400).astype("<u2"), bits=16), RAMP * 400 / 257),
    "16 bits, low is white": (
        tiff((RAMP * 400).astype("<u2"), bits=16, white=True),
        255 - RAMP * 400 / 257,
    ),
    "12 bits": (tiff(RAMP * 25, bits=12), RAMP * 25 * 255 / 4095),
    "float, low is white": (
        tiff((RAMP / 200).astype("<f4"), bits=32, white=True, kind=3),
        255 - RAMP / 200 * 255,
    ),
    "signed": (tiff((-(RAMP // 2)).astype(np.int8), bits=8, kind=2), None),
}


@pytest.mark.parametrize("kind", DEEP)
def test_numbers_mean_what_the_file_says(tmp_path, kind):
    content, expected = DEEP[kind]
    found = opened(tmp_path / "x.tif", content)
    if expected is None:
        assert found is None
    else:
        assert np.abs(found[..., 0] - expected).max() < 0.51


def test_a_transparent_value_of_sixteen_bits_becomes_white(tmp_path):
    held = io.BytesIO()
    Image.fromarray((RAMP * 400).astype(np.uint16)).save(held, "PNG", transparency=400)
    found = opened(tmp_path / "x.png", held.getvalue())
    assert found[0, :3, 0].tolist() == [0, 255, 3]


def test_a_jpeg_that_was_cut_and_closed_again(tmp_path):
    """The decoder would fill it up with grey; grey pictures themselves are whole."""
    held = io.BytesIO()
    soft("RGB", (64, 64)).save(held, "JPEG")
    content = held.getvalue()
    half = content[: len(content) * 2 // 3]
    assert opened(tmp_path / "x.jpg", half + b"\xff\xd9") is None
    assert opened(tmp_path / "x.jpg", half + bytes(4000)) is None
    for mode, how in (("L", {}), ("RGB", {"restart_marker_blocks": 1}), ("CMYK", {})):
        held = io.BytesIO()
        Image.new(mode, (30, 20), 128 if mode == "L" else (128,) * len(mode)).save(
            held, "JPEG", **how
        )
        assert opened(tmp_path / "y.jpg", held.getvalue() + b"more") is not None
