"""Pictures in the formats that Pillow reads and hardly anybody writes, made by hand."""

from __future__ import annotations

import io
import struct
import warnings
from contextlib import suppress
from functools import cache

import numpy as np
from PIL import Image

from .corpus import TINY, soft

NO_PIXELS = {"BUFR", "GRIB", "HDF5", "WMF", "MPEG"}
"""Formats that Pillow knows by name only."""


@cache
def rare(size: tuple[int, int] = TINY) -> dict[str, bytes]:
    """Return a file of each, by the name of its decoder and, where there are several, its kind."""
    w, h = size
    rgb, grey = np.asarray(soft("RGB", size)), np.asarray(soft("L", size))
    raw, line = rgb.tobytes(), grey.tobytes()
    pixar = bytearray(1024)
    pixar[:4] = b"\200\350\0\0"
    struct.pack_into("<HH4xHH", pixar, 416, h, w, 14, 2)
    area = [0] * 65
    area[2], area[9], area[10], area[11], area[14], area[34] = 4, h, w, 1, 1, 256
    runs = [bytes([w - 1]) + rgb[y, :, c].tobytes() for c in range(3) for y in range(h)]
    counts = b"".join(struct.pack(">H", len(run)) for run in runs)
    packed = b"".join(b"\x80\0" if v == 0x80 else bytes([v]) for v in grey.ravel())
    return {
        "DCX palette": struct.pack("<III", 0x3ADE68B1, 12, 0) + _saved("P", size, "PCX"),
        "DCX": struct.pack("<III", 0x3ADE68B1, 12, 0) + _saved("RGB", size, "PCX"),
        "CUR": _cursor(w, h),
        "FLI": _film(w, h, line),
        "FTEX": b"FTEX" + struct.pack("<9i", 1, w, h, 1, 1, 1, 32, len(raw), 0)[:32] + raw,
        "GBR": struct.pack(">5I4sI", 31, 2, w, h, 1, b"GIMP", 10) + b"ab\0" + line,
        "MCIDAS": struct.pack("!64i", *area[1:]) + line,
        "PIXAR": bytes(pixar) + raw,
        "XVTHUMB": b"P7 332\n#x\n%d %d 255\n" % size + line,
        "IMT": b"width %d\nheight %d\npixel n8\n\x0c" % size + line,
        "ICNS": _icon(),
        "PSD rle": b"8BPS"
        + struct.pack(">H6xHIIHH12xH", 1, 3, h, w, 8, 3, 1)
        + counts
        + b"".join(runs),
        "SUN rle": struct.pack(">8I", 0x59A66A95, w, h, 8, len(packed), 2, 0, 0) + packed,
        "SPIDER": _saved("F", size, "SPIDER"),
        "PPM float": b"Pf\n%d %d\n-1.0\n" % size + (grey / 255).astype("<f4").tobytes(),
    }


def photo_cd() -> bytes:
    """Return a Kodak Photo CD, which has one size."""
    head = bytearray(96 * 2048)
    head[2048:2052] = b"PCD_"
    return bytes(head) + np.random.default_rng(0).bytes(768 * 512 * 3 // 2)


def newsphoto(content: bytes) -> bytes:
    """Return an IPTC file that holds another file."""
    fields = [(3, 60, b"\1\0"), (3, 20, b"\0\x14"), (3, 30, b"\0\x10"), (3, 120, b"\5")]
    fields.append((8, 10, content))
    return b"".join(struct.pack(">BBBH", 28, a, b, len(c)) + c for a, b, c in fields)


def tiff(values: np.ndarray, *, bits: int, white: bool = False, kind: int = 1) -> bytes:
    """Return a grey TIFF of one strip; ``white``: low is white; ``kind``: 2 signed, 3 float."""
    h, w = values.shape
    data = values.tobytes()
    if bits == 12:
        even, odd = values[:, 0::2].astype(int), values[:, 1::2].astype(int)
        thirds = [even >> 4, (even & 15) << 4 | odd >> 8, odd & 255]
        data = np.stack(thirds, axis=-1).astype(np.uint8).tobytes()
    tags = {256: w, 257: h, 258: bits, 259: 1, 262: int(not white), 273: 8}
    tags |= {277: 1, 278: h, 279: len(data), 339: kind}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = b"II*\0" + struct.pack("<I", 8 + len(data))
    return head + data + struct.pack("<H", len(tags)) + entries + bytes(4)


def _saved(mode: str, size: tuple[int, int], kind: str) -> bytes:
    held = io.BytesIO()
    soft(mode, size).save(held, kind)
    return held.getvalue()


def _cursor(w: int, h: int) -> bytes:
    bitmap = _saved("RGB", (w, 2 * h), "DIB")  # a mask lies below the picture
    return b"\0\0\2\0\1\0" + struct.pack("<4BHHII", w, h, 0, 0, 0, 0, len(bitmap), 22) + bitmap


def _film(w: int, h: int, pixels: bytes) -> bytes:
    colours = struct.pack("<IHHBB", 6 + 4 + 768, 4, 1, 0, 0) + bytes(range(256)) * 3
    copied = struct.pack("<IH", 6 + len(pixels), 16) + pixels
    frame = struct.pack("<IHH8x", 16 + len(colours + copied), 0xF1FA, 2) + colours + copied
    head = struct.pack("<IHHHHHHI", 128 + len(frame), 0xAF12, 1, w, h, 8, 0, 0)
    return head.ljust(128, b"\0") + frame


def _icon() -> bytes:
    pixels = np.asarray(soft("RGBA", (16, 16)))
    colours = pixels[..., :3].transpose(2, 0, 1).tobytes()
    parts = ((b"is32", colours), (b"s8mk", pixels[..., 3].tobytes()))
    body = b"".join(name + struct.pack(">i", 8 + len(c)) + c for name, c in parts)
    return b"icns" + struct.pack(">i", 8 + len(body)) + body


def known(content: bytes) -> str | None:
    """Return the decoder that Pillow takes for a file."""
    with warnings.catch_warnings(), suppress(OSError):
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(content)) as image:
            return str(image.format).upper()
    return None
