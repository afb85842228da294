"""Picture files that are cut short, or claim more than they hold, where Pillow does not notice.

It would leave black what is missing, or take a palette for grey, and say nothing.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from io import BufferedReader, BytesIO
from typing import Final, TypeAlias

import numpy as np
from PIL import Image

Stream: TypeAlias = BufferedReader | BytesIO
"""What pictures are read from."""

_Test: TypeAlias = Callable[[Image.Image, Stream], str]

_SOC: Final = b"\xff\x4f\xff\x51"
"""JPEG 2000: the code stream begins, and says how large the picture and its tiles are."""
_SOT: Final = b"\xff\x90"
_EOC: Final = b"\xff\xd9"
_PALETTE: Final = 769
"""PCX: bytes at the end, a mark and 256 colours."""
_MARK: Final = 0x0C
_COUNT: Final = 0xC0
_HEADER: Final = 128
"""PCX: bytes in front of the pixels."""
_SOS: Final = 0xDA
"""JPEG: pixels follow."""
_BASELINE: Final = frozenset({0xC0, 0xC1})
"""JPEG: the frames of which every row is done before the next begins."""
_MIDDLE: Final = frozenset({127, 128})
"""JPEG: what a decoder puts in place of pixels that are missing."""
_RUBBISH: Final = b"\x5a\x33\xc6\x0f" * 256


def what_is_missing(image: Image.Image, stream: Stream) -> str:
    """Return what a file lacks that Pillow has opened and not yet loaded; empty if it is whole.

    Looked at are TIFF (strips or tiles that are named nowhere), JPEG (the mark of the end), JPEG
    2000 (tiles, and that mark), and PCX and DCX (the palette). ``stream`` is left where it was.
    """
    tests = {"TIFF": _of_tiff, "JPEG2000": _of_jpeg_2000, "PCX": _of_pcx, "DCX": _of_pcx}
    tests |= {"JPEG": _of_jpeg, "MPO": _of_jpeg}
    return _tested(tests, image, stream)


def _tested(tests: Mapping[str, _Test], image: Image.Image, stream: Stream) -> str:
    """Ask the test of the file's format, if there is one."""
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


def _of_jpeg(_: Image.Image, stream: Stream) -> str:
    """Pixels hold no mark, so one behind their beginning is that of the end."""
    data, _frame, place = _jpeg_pixels(stream)
    return "" if data.rfind(_EOC) >= place else "its end is missing"


def _jpeg_pixels(stream: Stream) -> tuple[bytes, int, int]:
    """Return a JPEG, the kind of its frame, and where its pixels begin."""
    stream.seek(0)
    data = stream.read()
    place, frame = 2, 0
    while place + 4 <= len(data):
        kind = data[place + 1]
        if data[place] != 0xFF or kind == 0xFF:
            place += 1
            continue
        if kind == _SOS:
            break
        if kind & 0xF0 == 0xC0 and kind not in {0xC4, 0xC8, 0xCC}:
            frame = kind
        alone = kind in {0x00, 0x01} or 0xD0 <= kind <= 0xD9
        place += 2 if alone else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return data, frame, place


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


def _of_pcx(image: Image.Image, stream: Stream) -> str:
    """A PCX of one plane of eight bits (version 5) ends in its palette, unless it says grey.

    A DCX holds several PCX; of all but its last, Pillow looks for the palette in the wrong place.
    """
    tile = image.tile[0]  # type: ignore[attr-defined]  # of a file
    stream.seek(tile.offset - _HEADER)
    header = stream.read(70)
    eight_bits = header[1] == 5 and header[3] == 8 and header[65] == 1
    if not eight_bits or header[68] == 2:
        return ""
    stream.seek(tile.offset)
    data = stream.read()
    palette = len(data) - _PALETTE
    whole = _pcx_end(data, tile.args[1] * image.height) <= palette and data[palette] == _MARK
    return "" if whole else "its palette is missing"


def _pcx_end(data: bytes, needed: int) -> int:
    """Return behind which byte there are as many pixels as needed: a count and one, or one."""
    place = 0
    while needed > 0 and place < len(data):
        counted = data[place] >= _COUNT
        needed -= data[place] - _COUNT if counted else 1
        place += 2 if counted else 1
    return place


_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""PNG: values a pixel, by the type of its colours."""
_PASSES: Final = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
"""PNG: left, upper, and the steps, of the passes of an interlaced picture."""
_BLOCK: Final = 1 << 20


def what_is_blank(image: Image.Image, stream: Stream) -> str:
    """Return what a PNG or JPEG lacks that was loaded: fewer rows than it claims; empty if whole.

    All its checksums and marks may be right. It is decoded once more only where its end looks like
    what decoders put there, or the rows are interlaced. ``stream`` is left where it was.
    """
    tests = {"PNG": _of_png, "JPEG": _of_jpeg_rows, "MPO": _of_jpeg_rows}
    return _tested(tests, image, stream)


def _of_png(image: Image.Image, stream: Stream) -> str:
    """Unpack the rows, and count them."""
    last = np.asarray(image.crop((0, image.height - 1, image.width, image.height)))
    if last.any() and not image.info.get("interlace"):
        return ""
    chunks = _chunks(stream)
    _, header = next(chunks)
    needed = _unpacked_size(header)
    unpacker, size = zlib.decompressobj(), 0
    for kind, content in chunks:
        packed = content
        while kind == b"IDAT" and packed and size < needed:
            size += len(unpacker.decompress(packed, _BLOCK))
            packed = unpacker.unconsumed_tail
    return f"it holds {size} of {needed} bytes of rows" if size < needed else ""


def _of_jpeg_rows(image: Image.Image, stream: Stream) -> str:
    """Rubbish in front of the mark of the end is pixels to a decoder that lacks some."""
    last = image.getpixel((image.width - 1, image.height - 1))
    if not _MIDDLE.issuperset(last if isinstance(last, tuple) else (last,)):
        return ""
    data, frame, place = _jpeg_pixels(stream)
    if frame not in _BASELINE:
        return ""
    end = data.find(_EOC, place)
    with Image.open(BytesIO(data[:end] + _RUBBISH + _EOC), formats=["JPEG"]) as longer:
        same = np.array_equal(np.asarray(longer), np.asarray(image))
    return "" if same else "its last rows are missing"


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
