"""Pictures in every format that Pillow writes and in all its modes, made here; and broken ones."""

from __future__ import annotations

import io
import random
import struct
import warnings
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

Image.init()

MODES = (
    *(
        "1",
        "L",
        "LA",
        "La",
        "P",
        "PA",
        "RGB",
        "RGBA",
        "RGBX",
        "RGBa",
        "CMYK",
        "YCbCr",
        "HSV",
        "LAB",
    ),
    *("I", "I;16", "I;16B", "F"),
)
SMALL = (20, 16)
TINY = (9, 8)
_LARGE = {"SPIDER", "ICNS"}
"""A thousand bytes and more, whatever they hold."""
_NO_PICTURES = {"PDF", "EPS", "BUFR", "GRIB", "HDF5", "WMF"}


def soft(mode: str, size: tuple[int, int] = SMALL, seed: int = 0) -> Image.Image:
    """Return a picture of soft noise; one with an alpha channel fades out."""
    rng = np.random.default_rng(seed)
    cells = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
    colours = cells.resize(size, Image.Resampling.BICUBIC)
    grey = np.asarray(colours.convert("L"))
    if mode in {"I", "F"}:
        return Image.fromarray(
            grey.astype(np.int32) * 257 if mode == "I" else np.float32(grey) / 255
        )
    if mode.startswith("I;16"):
        order = ">u2" if mode.endswith("B") else "<u2"
        return Image.frombytes(mode, size, (grey.astype(np.uint16) * 257).astype(order).tobytes())
    if mode in {"LA", "La", "RGBA", "RGBa", "PA"}:
        plain = colours.convert("LA" if mode in {"LA", "La"} else "RGBA")
        plain.putalpha(Image.linear_gradient("L").resize(size))
        return plain if plain.mode == mode else plain.convert(mode)
    return colours.convert(mode)


@cache
def written(size: tuple[int, int] = SMALL) -> dict[str, bytes]:
    """Return a file for each format and mode, as ``PNG RGB``."""
    found = {}
    for kind in sorted(set(Image.SAVE) - _NO_PICTURES - _LARGE):
        for mode in MODES:
            content = _saved(soft(mode, size), kind)
            if content is not None:
                found[f"{kind} {mode}"] = content
    return found


@cache
def varied(size: tuple[int, int] = SMALL) -> dict[str, bytes]:
    """Return files of several frames, other compressions, and formats that Pillow only reads."""
    rgb, rgba, grey, one, palette = (soft(mode, size) for mode in ("RGB", "RGBA", "L", "1", "P"))
    turned = {"save_all": True, "append_images": [rgba.rotate(90)]}
    asked = {
        "GIF animated": (palette, {**turned, "append_images": [palette.rotate(90)]}),
        "GIF interlaced": (palette, {"interlace": 1}),
        "PNG animated": (rgba, turned),
        "PNG black": (Image.new("RGB", size), {}),
        "PNG transparent": (palette, {"transparency": 3}),
        "WEBP animated": (rgba, turned),
        "WEBP lossless": (rgba, {"lossless": True}),
        "AVIF animated": (rgba, turned),
        "MPO two": (rgb, {**turned, "append_images": [rgb.rotate(90)]}),
        "TIFF pages": (rgb, {**turned, "append_images": [rgb.rotate(90)]}),
        "TIFF lzw": (rgb, {"compression": "tiff_lzw"}),
        "TIFF deflate": (rgb, {"compression": "tiff_adobe_deflate"}),
        "TIFF packbits": (rgb, {"compression": "packbits"}),
        "TIFF jpeg": (rgb, {"compression": "jpeg"}),
        "TIFF group4": (one, {"compression": "group4"}),
        "JPEG progressive": (rgb, {"progressive": True}),
        "JPEG2000 tiles": (rgb, {"tile_size": (8, 8)}),
        "JPEG2000 stream": (rgb, {"no_jp2": True}),
        "JPEG2000 lossy": (rgb, {"irreversible": True, "quality_layers": [20, 10]}),
        "TGA rle": (rgb, {"compression": "tga_rle"}),
        "SGI rle": (grey, {"rle": True}),
        "DDS dxt": (rgb, {"pixel_format": "DXT1"}),
        "ICO bmp": (rgba, {"bitmap_format": "bmp", "sizes": [(16, 16)]}),
    }
    found = {name: _saved(image, name.split()[0], **how) for name, (image, how) in asked.items()}
    return {name: content for name, content in found.items() if content} | _by_hand(size)


def _saved(image: Image.Image, kind: str, **how: object) -> bytes | None:
    """Return the file, or None where this Pillow does not write it."""
    held = io.BytesIO()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image.save(held, kind, **how)
    except (OSError, ValueError, KeyError, TypeError, SystemError):
        return None
    return held.getvalue()


def _by_hand(size: tuple[int, int]) -> dict[str, bytes]:
    """Return formats that Pillow reads and does not write."""
    rgb, (w, h) = np.asarray(soft("RGB", size)), size
    rows, grey = rgb.tobytes(), np.asarray(soft("L", size))
    indices = (
        b"".join(b"".join(bytes([1, v]) for v in row) + b"\0\0" for row in grey[::-1]) + b"\0\1"
    )
    colours = b"".join(bytes([i, i, i, 0]) for i in range(256))
    offset = 14 + 40 + len(colours)
    head = b"BM" + struct.pack("<IHHI", offset + len(indices), 0, 0, offset)
    cards = ["SIMPLE  =                    T", "BITPIX  =                    8"]
    cards += ["NAXIS   =                    2", f"NAXIS1  = {20:20d}", f"NAXIS2  = {16:20d}", "END"]
    return {
        "BMP rle": head
        + struct.pack("<IiiHHIIiiII", 40, w, h, 1, 8, 1, len(indices), 0, 0, 256, 0)
        + colours
        + indices,
        "SUN": struct.pack(">8I", 0x59A66A95, w, h, 24, len(rows), 1, 0, 0) + rows,
        "PSD": b"8BPS"
        + struct.pack(">H6xHIIHH", 1, 3, h, w, 8, 3)
        + bytes(14)
        + rgb.transpose(2, 0, 1).tobytes(),
        "FITS": b"".join(card.ljust(80).encode() for card in cards).ljust(2880)
        + np.asarray(soft("L")).tobytes().ljust(2880, b"\0"),  # Pillow wants 80 pixels or more
        "XPM": b'/* XPM */\nstatic char *x[] = {\n"%d %d 2 1",\n"a c #ff0000",\n"b c #00ff00",\n'
        % size
        + b'"%s",\n' % (b"ab" * w)[:w] * h
        + b"};\n",
        "PPM 16": b"P5\n%d %d\n65535\n" % size + (grey.astype(">u2") * 257).tobytes(),
    }


def broken(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Yield files with a few bytes altered, copied, cut out or taken from another file."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    files = {**written(), **varied()}
    names = sorted(files)
    for number in range(count):
        name = chance.choice(names)
        content = bytearray(files[name])
        for _ in range(chance.choice([1, 1, 2, 4, 8])):
            content = _altered(content, chance, files[chance.choice(names)])
        yield f"{number}-{name.replace(' ', '-')}", bytes(content)


def _altered(content: bytearray, chance: random.Random, other: bytes) -> bytearray:
    place = chance.randrange(min(len(content), chance.choice([64, 256, 10**9])))
    kind = chance.randrange(6)
    if kind == 0:
        content[place] = chance.randrange(256)
    elif kind == 1:
        content[place] ^= 1 << chance.randrange(8)
    elif kind == 2:
        content[place : place + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff"])
    elif kind == 3:
        begin = chance.randrange(len(content))
        content[place:place] = content[begin : begin + chance.randrange(64)]
    elif kind == 4:
        del content[place : place + chance.randrange(1, 32)]
    else:
        content[place:] = other[chance.randrange(len(other)) :]
    return content or bytearray(b"\0")
