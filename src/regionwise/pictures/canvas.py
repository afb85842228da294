"""Paper to draw on: positions in points, text in one typeface that is cut before it overlaps.

Layouts count in whole points, of which a page is about a thousand wide; a canvas holds two pixels
a point, so that text stays crisp where a page is shown at that width on a fine screen.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from math import ceil
from pathlib import Path
from string import printable

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

PAPER = (250, 250, 248)
INK = (28, 32, 38)
GREY = (110, 116, 125)
RULE = (222, 223, 220)
EMPTY = (238, 238, 235)

PIXELS_PER_POINT = 2

_PILLOW_FONT_HOLDS = frozenset(printable) | frozenset("·…“”\u2018\u2019±°™©«»")


@dataclass(frozen=True)
class Box:
    """A place on the paper, in points from the top left."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Canvas:
    """A page of ``width`` x ``height`` points, drawn on in place."""

    width: int
    height: int
    image: Image.Image = field(init=False)

    def __post_init__(self) -> None:
        """Lay out blank paper."""
        size = (self.width * PIXELS_PER_POINT, self.height * PIXELS_PER_POINT)
        object.__setattr__(self, "image", Image.new("RGB", size, PAPER))

    def text(
        self,
        at: tuple[int, int],
        text: str,
        *,
        size: int = 12,
        ink: tuple[int, int, int] = INK,
        anchor: str = "ls",
    ) -> None:
        """Write one line; ``anchor`` as in Pillow, ``ls`` = ``at`` is the left of the baseline."""
        draw = ImageDraw.Draw(self.image)
        place = (at[0] * PIXELS_PER_POINT, at[1] * PIXELS_PER_POINT)
        draw.text(place, text, fill=ink, font=typeface(text, size), anchor=anchor)

    def outlined(
        self,
        at: tuple[int, int],
        text: str,
        *,
        size: int,
        ink: tuple[int, int, int],
        edge: tuple[int, int, int],
    ) -> None:
        """Write one line around its middle ``at``, legible on any ground by its ``edge``."""
        draw = ImageDraw.Draw(self.image)
        place = (at[0] * PIXELS_PER_POINT, at[1] * PIXELS_PER_POINT)
        font = typeface(text, size)
        draw.text(place, text, fill=ink, font=font, anchor="mm", stroke_width=2, stroke_fill=edge)

    def picture(self, box: Box, picture: UInt8[np.ndarray, "h w 3"]) -> Box:
        """Fit ``picture`` into ``box``, centred, its proportions kept, its corners softened.

        Returns the part of the box that it covers.
        """
        left, top, width, height = _pixels(box)
        share = min(width / picture.shape[1], height / picture.shape[0])
        size = (_at_least_one(picture.shape[1] * share), _at_least_one(picture.shape[0] * share))
        scaled = Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)
        place = (left + (width - size[0]) // 2, top + (height - size[1]) // 2)
        self.image.paste(scaled, place, _rounded(size))
        return Box(*(round(length / PIXELS_PER_POINT) for length in (*place, *size)))

    def block(self, box: Box, colour: tuple[int, int, int] = EMPTY) -> None:
        """Fill ``box`` with one colour, its corners softened like a picture's."""
        left, top, width, height = _pixels(box)
        self.image.paste(colour, (left, top), _rounded((width, height)))

    def rule(self, left: int, right: int, height: int) -> None:
        """Draw a hairline from ``left`` to ``right``, one point strong."""
        left, top, width, height = _pixels(Box(left, height, right - left, 1))
        self.image.paste(RULE, (left, top, left + width, top + height))

    def note(self, box: Box, text: str) -> None:
        """Write ``text`` into the middle of ``box`` on an empty block, in up to four lines."""
        self.block(box)
        lines = wrapped(text, 11, box.width - 12, most=4)
        middle, first = box.left + box.width // 2, box.top + box.height // 2 - 7 * (len(lines) - 1)
        for index, line in enumerate(lines):
            self.text((middle, first + 14 * index), line, size=11, ink=GREY, anchor="mm")


def text_width(text: str, size: int) -> int:
    """Return how many points wide ``text`` is, rounded up."""
    return ceil(typeface(text, size).getlength(text) / PIXELS_PER_POINT)


def shortened(text: str, size: int, width: int) -> str:
    """Return ``text``, or as much of its beginning as fits into ``width`` points with ``…``."""
    text = " ".join(text.split())
    if text_width(text, size) <= width:
        return text
    kept = len(text)
    while kept and text_width(text[:kept].rstrip() + "…", size) > width:
        kept -= 1
    return text[:kept].rstrip() + "…"


def wrapped(text: str, size: int, width: int, *, most: int) -> list[str]:
    """Break ``text`` at spaces into at most ``most`` lines of ``width`` points; cut the rest."""
    lines: list[str] = []
    words = text.split()
    while words and len(lines) < most - 1:
        count = 1
        while count < len(words) and text_width(" ".join(words[: count + 1]), size) <= width:
            count += 1
        lines.append(shortened(" ".join(words[:count]), size, width))
        words = words[count:]
    return [*lines, shortened(" ".join(words), size, width)] if words else lines


def typeface(text: str, size: int) -> ImageFont.FreeTypeFont:
    """Return the font that ``text`` is written in: Aileron, or DejaVu Sans for its wider reach.

    Aileron comes with Pillow, DejaVu with matplotlib: nothing depends on the machine's fonts.
    """
    return _font(set(text) <= _PILLOW_FONT_HOLDS, size * PIXELS_PER_POINT)


@cache
def _font(aileron: bool, size: int) -> ImageFont.FreeTypeFont:  # noqa: FBT001 - a cache key
    plain = ImageFont.Layout.BASIC  # the same glyphs with and without libraqm
    default = ImageFont.load_default(size)
    if aileron and isinstance(default, ImageFont.FreeTypeFont):
        return default.font_variant(layout_engine=plain)
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and seldom needed

    file = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(file), size * 0.94, layout_engine=plain)  # as tall as Aileron


@cache
def _rounded(size: tuple[int, int]) -> Image.Image:
    """Return a mask that softens the corners by three points, anti-aliased."""
    fine = 4
    mask = Image.new("L", (size[0] * fine, size[1] * fine), 0)
    corner = (0, 0, size[0] * fine - 1, size[1] * fine - 1)
    ImageDraw.Draw(mask).rounded_rectangle(corner, 3 * PIXELS_PER_POINT * fine, fill=255)
    return mask.resize(size, Image.Resampling.BOX)


def _pixels(box: Box) -> tuple[int, int, int, int]:
    """Return left, top, width and height in pixels."""
    left, top, width, height = box.left, box.top, box.width, box.height
    scale = PIXELS_PER_POINT
    return left * scale, top * scale, width * scale, height * scale


def _at_least_one(length: float) -> int:
    return max(1, round(length))
