"""The page of an audit: whole, well-formed, self-contained; and its numbers as JSON."""

import base64
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from io import BytesIO
from math import nan
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from audits import CELLS, OTHER, attribution, audit, checked, contrast, exact
from regionwise.report.audit_page import audit_page
from regionwise.report.audit_pictures import difference_address, map_address, share_addresses
from regionwise.report.audit_record import audit_record
from regionwise.report.audit_result import Ranked, Redrawn
from regionwise.report.line_chart import LEFT, PLOT_HEIGHT, TOP, line_chart

VOID = {"meta", "img", "br"}


class Reader(HTMLParser):
    """Checks that tags close in order, and collects addresses and headings."""

    def __init__(self):
        super().__init__()
        self.open, self.addresses, self.headings, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.addresses += [v for k, v in attrs if k in {"src", "href", "srcset", "data"}]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] in {"h1", "h2"}:
            self.headings.append(data)


def read(page):
    reader = Reader()
    reader.feed(page)
    assert not reader.open
    return reader


def picture(address):
    data = base64.b64decode(address.partition(",")[2])
    with Image.open(BytesIO(data)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_the_page_is_well_formed_and_needs_nothing_else():
    reader = read(audit_page(exact()))
    assert reader.addresses
    assert all(address.startswith("data:image/webp;base64,") for address in reader.addresses)
    page = audit_page(exact())
    assert "<script" not in page
    assert not re.search(r"url\(|@import|https?://", page)


def test_what_stands_on_the_page():
    headings = " | ".join(read(audit_page(exact())).headings)
    for words in ("How far can these maps be trusted?", "Percentages of regions", "Maps of wren"):
        assert words in headings
    for words in ("Checks", "Deletion and insertion", "Weights drawn anew", "wren against robin"):
        assert words in headings
    assert "Agreement" not in headings, "there is one map only"
    assert "Agreement" in read(audit_page(audit(checked("a"), checked("b")))).headings


def test_without_exact_contributions_no_percentages_are_shown():
    text = "".join(read(audit_page(audit())).text)
    assert "No exact percentages: this head does not give them." in text
    assert "wren against robin" not in text
    bands = "".join(read(audit_page(exact())).text)
    assert "regions 1-4 for the first" in bands or "regions 1-3 for the first" in bands


def test_names_are_escaped():
    name = "<img src=x onerror=alert(1)>"
    wren = Ranked(0, name, 0.5)
    given = exact(target=wren, top=(wren, Ranked(1, "a & b", 0.2)), source="<i>.png")
    page = audit_page(given)
    assert "<img src=x" not in page
    assert "<i>" not in page
    assert "a &amp; b" in page
    read(page)


def test_a_blank_map_and_numbers_that_are_none():
    rows = (
        checked("cam", blank=("zero gradient",), curves=None, redrawn=None, noisy=None),
        checked("b", patches=nan, redrawn=Redrawn((0.5, 1.0), ((nan, nan),))),
    )
    given = audit(*rows, agreement=((nan, nan), (nan, 1.0)))
    page = audit_page(given)
    assert "nan" not in page.lower().replace("nano", "")
    assert "says nothing: zero gradient" in page
    assert audit_page(audit(rows[0])), "no curves at all"


def test_the_class_that_is_explained_is_shown_though_it_is_not_among_the_best():
    owl = Ranked(3, "owl", 0.001)
    assert "<strong>owl</strong>" in audit_page(audit(target=owl))


def test_classes_share_one_scale_and_carry_numbers():
    both = attribution(CELLS, OTHER, method="cape", exact=True)
    image = audit().image
    first, second = (picture(a) for a in share_addresses(both, image))
    assert first.shape == (640, 960, 3)
    assert first.sum() > second.sum(), "the weaker class is darker on the same scale"
    alone = picture(share_addresses(attribution(CELLS, method="cape", exact=True), image)[0])
    plain = picture(map_address(attribution(CELLS, method="cape", exact=True), image))
    assert np.abs(alone - plain).max() > 60, "one has numbers, the other has none"


def test_the_difference_is_red_where_the_first_class_leads():
    both = attribution(CELLS, OTHER, method="cape", exact=True)
    shown = picture(difference_address(both, audit().image))
    assert shown[20, 20, 0] > shown[20, 20, 2] + 40
    back = attribution(OTHER, CELLS, method="cape", exact=True)
    shown = picture(difference_address(back, audit().image))
    assert shown[20, 20, 2] > shown[20, 20, 0] + 40


def test_the_record_is_json_and_holds_the_maps():
    given = exact(noise=replace(audit().noise, probabilities=(nan, 0.5)))
    record = json.loads(json.dumps(audit_record(given), allow_nan=False))
    assert record["noise"]["probabilities"] == [None, 0.5]
    assert np.allclose(np.sum(record["exact"]["contributions"], axis=(1, 2)), [0.5, 0.2])
    assert record["methods"][0]["method"] == "cape"
    assert record["methods"][0]["map"] == CELLS
    assert [v["check"] for v in record["methods"][0]["verdicts"]][1] == "deletion"
    assert record["against"]["class"]["name"] == "robin"
    assert record["against"]["other_under_removal"]["scores"] == [0.2, 0.45, 0.4, 0.1]
    assert audit_record(audit())["exact"] is None
    assert audit_record(audit(contrast=contrast()))["against"]["method"] == "cam"


def test_a_band_lies_below_the_lines_and_reaches_from_edge_to_edge():
    chart = line_chart(
        (0.0, 1.0), {"a": (0.5, 0.5)}, across="x", up="y", bands={"b<": ((0.0, 0.0), (1.0, 1.0))}
    )
    root = ET.fromstring(f"<p>{chart}</p>")  # noqa: S314 - our own
    shapes = [e.tag for e in root.iter() if e.tag in {"polygon", "polyline"}]
    assert shapes == ["polygon", "polyline"]
    points = root.find(".//polygon").get("points").replace(" ", ",").split(",")
    corners = [float(value) for value in points]
    assert corners[:2] == pytest.approx([LEFT, TOP + PLOT_HEIGHT], abs=0.06)
    assert corners[-2:] == pytest.approx([LEFT, TOP], abs=0.06)
    assert "b<" in "".join(root.itertext())
