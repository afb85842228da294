"""Pieces of a page: escaped once, closed always."""

import base64
from io import BytesIO
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from regionwise.report.markup import (
    code,
    folded,
    listed,
    of_models,
    paragraph,
    section,
    table,
    tag,
    text,
)
from regionwise.report.thumbnails import SMALLEST, address_of, side_for


def test_words_and_attributes_are_escaped_and_markup_is_not():
    made = tag("a", text("x < y & z"), title='say "<"', class_="k", data_way=None, id="i")
    root = ET.fromstring(made)  # noqa: S314 - our own
    assert root.text == "x < y & z"
    assert root.attrib == {"title": 'say "<"', "class": "k", "id": "i"}
    assert "data-way" in tag("a", data_way="1")
    assert ET.fromstring(code("a<b")).text == "a<b"  # noqa: S314


def test_cells_become_cells_once():
    made = table(["<th>m</th>", "n"], [["1", '<td class="best">2</td>'], [tag("th", "3"), "4"]])
    root = ET.fromstring(made)  # noqa: S314
    assert [one.tag for one in root.iter() if one.tag in {"th", "td"}] == [
        *("th", "th"),
        *("td", "td"),
        *("th", "td"),
    ]


def test_what_is_empty_is_not_there():
    assert section("a", "A") == section("a", "A", "", "") == paragraph("") == listed([]) == ""
    assert folded("A", "") == of_models({"net": ""}) == ""


def test_networks_are_named_where_there_are_several():
    assert "<h3>" not in of_models({"a": "x", "b": ""})
    assert of_models({"a": "x", "b": "y"}).count("<h3>") == 2
    assert "<h3>" not in of_models({"a": "x", "b": "y"}, named=False)
    assert 'data-model="a&lt;b"' in of_models({"a<b": "x"})


def test_many_pictures_are_small_ones():
    sides = [side_for(count) for count in (1, 600, 601, 1500, 1501)]
    assert sides == [224, 224, 160, 160, SMALLEST]


@pytest.mark.parametrize("shape", [(300, 150, 3), (40, 80, 3)])
def test_a_picture_fits_and_is_not_enlarged(shape):
    address = address_of(np.zeros(shape, np.uint8), 160)
    head, _, content = address.partition(",")
    assert head == "data:image/webp;base64"
    with Image.open(BytesIO(base64.b64decode(content))) as opened:
        assert max(opened.size) == min(160, max(shape))
        assert opened.size[0] / opened.size[1] == pytest.approx(shape[1] / shape[0], rel=0.02)
