"""Picture files that are cut short, or claim more than they hold, where Pillow does not notice.

It would leave black what is missing, or take a palette for grey, and say nothing.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from io import BufferedReader, BytesIO
from typing import Final, TypeAlias

import numpy as np
from PIL import Image

Stream: TypeAlias = BufferedReader | BytesIO
"""What pictures are read from."""

_SOC: Final = b"\xff\x4f\xff\x51"
"""JPEG 2000: the code stream begins, and says how large the picture and its tiles are."""
_SOT: Final = b"\xff\x90"
_EOC: Final = b"\xff\xd9"
_PALETTE: Final = 769
"""PCX: bytes at the end, a mark and 256 colours."""


def what_is_missing(image: Image.Image, stream: Stream) -> str:
    """Return what a file lacks that Pillow has opened and not yet loaded; empty if it is whole.

    Looked at are TIFF (strips or tiles that are named nowhere), JPEG 2000 (tiles, and the mark of
    the end), and PCX (the palette). ``stream`` is left where it was.
    """
    tests = {"TIFF": _of_tiff, "JPEG2000": _of_jpeg_2000, "PCX": _of_pcx}
    test = tests.get(image.format or "")
    if test is None:
        return ""
    place = stream.tell()
    try:
        return test(image, stream)
    finally:
        stream.seek(place)


def _of_tiff(image: Image.Image, _: Stream) -> str:
    """Compare the area of all strips or tiles with that of the picture."""
    boxes = {tuple(tile[1]) for tile in getattr(image, "tile", ())}
    area = sum((right - left) * (lower - upper) for left, upper, right, lower in boxes)
    whole = image.width * image.height
    return "" if area >= whole else f"it holds {area} of {whole} pixels"


def _of_jpeg_2000(_: Image.Image, stream: Stream) -> str:
    """Walk from one part of a tile to the next; the last is followed by the mark of the end."""
    stream.seek(0)
    data = stream.read()
    start = data.find(_SOC)
    place = _first_part(data, start)
    if place < 0:
        return "it holds no tile"
    found = set()
    while data[place : place + 2] == _SOT and place + 12 <= len(data):
        tile, length = struct.unpack(">HI", data[place + 4 : place + 10])
        found.add(tile)
        if not length:  # the last part, whose length was not known when it was begun
            place = data.rfind(_EOC, place)
            break
        place += length
    if data[place : place + 2] != _EOC:
        return "its end is missing"
    tiles = _tiles(data[start + 8 : start + 40])
    return "" if len(found) >= tiles else f"it holds {len(found)} of {tiles} tiles"


def _first_part(data: bytes, start: int) -> int:
    """Return where the first part of a tile begins, behind the segments of the header, or -1."""
    place = start + 2
    while start >= 0 and data[place : place + 2] != _SOT:
        if place + 4 > len(data):
            return -1
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return place if start >= 0 else -1


def _tiles(sizes: bytes) -> int:
    """Return how many tiles a JPEG 2000 picture of these sizes has."""
    right, lower, _, _, width, height, left, upper = struct.unpack(">8I", sizes)
    return int(-(-(right - left) // max(width, 1)) * -(-(lower - upper) // max(height, 1)))


def _of_pcx(_: Image.Image, stream: Stream) -> str:
    """A PCX of one plane of eight bits (version 5) ends in its palette, unless it says grey."""
    stream.seek(0)
    header = stream.read(70)
    eight_bits = header[1] == 5 and header[3] == 8 and header[65] == 1
    if not eight_bits or header[68] == 2:
        return ""
    size = stream.seek(0, 2)
    stream.seek(max(size - _PALETTE, 0))
    return "" if stream.read(1) == b"\x0c" else "its palette is missing"


_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""PNG: values a pixel, by the type of its colours."""
_PASSES: Final = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""PNG: left, upper, and the steps, of the passes of an interlaced picture."""
_BLOCK: Final = 1 << 20


def what_is_black(image: Image.Image, stream: Stream) -> str:
    """Return what a PNG lacks that was loaded: fewer rows than it claims; empty if it is whole.

    Its checksums may all be right. The pixels are unpacked once more only where the last row is
    black, or the rows are interlaced. ``stream`` is left where it was.
    """
    if image.format != "PNG":
        return ""
    last = np.asarray(image.crop((0, image.height - 1, image.width, image.height)))
    if last.any() and not image.info.get("interlace"):
        return ""
    place = stream.tell()
    try:
        chunks = _chunks(stream)
        _, header = next(chunks)
        needed = _unpacked_size(header)
        unpacker, size = zlib.decompressobj(), 0
        for kind, content in chunks:
            packed = content
            while kind == b"IDAT" and packed and size < needed:
                size += len(unpacker.decompress(packed, _BLOCK))
                packed = unpacker.unconsumed_tail
    finally:
        stream.seek(place)
    return f"it holds {size} of {needed} bytes of rows" if size < needed else ""


def _chunks(stream: Stream) -> Iterator[tuple[bytes, bytes]]:
    stream.seek(8)
    while len(head := stream.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        yield kind, stream.read(size)
        stream.seek(4, 1)


def _unpacked_size(header: bytes) -> int:
    """Return how many bytes the rows of a PNG take: each its pixels, and one for the filter."""
    width, height, depth, colours, interlaced = struct.unpack(">IIBBxxB", header[:13])
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, upper, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - upper) // down)
        if columns > 0:
            total += max(rows, 0) * (1 + math.ceil(columns * depth * _SAMPLES[colours] / 8))
    return total
