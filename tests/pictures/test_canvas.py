"""Text stays in its place: measured, cut, wrapped, and in a face that has its letters."""

from io import BytesIO

import numpy as np
import pytest
from fontTools.ttLib import TTFont

from regionwise.pictures.canvas import (
    PAPER,
    Box,
    Canvas,
    shortened,
    text_width,
    typeface,
    wrapped,
)

LONG = "a hummingbird whose name goes on and on beyond what any column can hold"


def test_short_text_is_left_alone():
    assert shortened("wren", 12, 100) == "wren"


@pytest.mark.parametrize("width", [20, 60, 150])
def test_long_text_is_cut_with_an_ellipsis_and_fits(width):
    cut = shortened(LONG, 12, width)
    assert cut.endswith("…")
    assert LONG.startswith(cut[:-1])
    assert text_width(cut, 12) <= width


def test_line_breaks_in_names_become_spaces():
    assert shortened("red\nbill\t bird", 12, 1000) == "red bill bird"


def test_wrapping_keeps_all_words_where_there_is_room():
    lines = wrapped(LONG, 11, 130, most=20)
    assert " ".join(lines) == LONG
    assert all(text_width(line, 11) <= 130 for line in lines)


def test_wrapping_cuts_what_does_not_fit():
    lines = wrapped(LONG, 11, 80, most=3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert all(text_width(line, 11) <= 80 for line in lines)


def test_wrapping_cuts_a_word_that_is_too_long_for_a_line():
    lines = wrapped("x" * 200 + " y", 11, 80, most=3)
    assert lines[0].endswith("…")
    assert lines[1] == "y"


def test_wrapping_nothing_gives_no_line():
    assert wrapped("", 11, 80, most=3) == []


def test_plain_text_is_written_in_the_font_of_pillow_which_holds_every_letter_we_think():
    font = typeface("wren…", 12)
    assert font.getname()[0] == "Aileron"
    held = TTFont(BytesIO(font.font_bytes)).getBestCmap()
    for letter in map(chr, range(32, 127)):
        assert ord(letter) in held
        assert typeface(letter, 12).getname()[0] == "Aileron"
    assert all(ord(letter) in held for letter in "·…“”\u2018\u2019±°™©«»")


@pytest.mark.parametrize("text", ["Ærø", "ñandú", "x \u00d7 y", "Ωμέγα", "птица"])
def test_other_alphabets_fall_back_to_dejavu(text):
    assert typeface(text, 12).getname()[0] == "DejaVu Sans"


def test_a_wide_picture_is_centred_in_its_box_and_keeps_its_proportions():
    canvas = Canvas(60, 60)
    canvas.picture(Box(10, 10, 40, 40), np.zeros((10, 20, 3), np.uint8))
    dark = np.asarray(canvas.image).max(axis=2) < 10
    rows, columns = np.flatnonzero(dark.any(1)), np.flatnonzero(dark.any(0))
    assert (rows[0], rows[-1]) == (40, 79)
    assert (columns[0], columns[-1]) == (20, 99)


def test_paper_is_light():
    pixels = np.asarray(Canvas(10, 10).image)
    assert (pixels == PAPER).all()
    assert min(PAPER) > 240
