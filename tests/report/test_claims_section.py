"""Pages of made-up verdicts: words, a plot, a section."""

from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from claim_rows import FAMILIES, around, claim, two, verdicts
from regionwise.benchmark.claims_tables import (
    claims_csv,
    claims_markdown,
    counted,
    difference,
    overall,
)
from regionwise.report.claims_plot import HALF, MIDDLE, WIDTH, claims_plot
from regionwise.report.claims_section import claims_section


@pytest.fixture(scope="module")
def mixed():
    """Three claims by three families: one holds, one does not, one is open or not measured."""
    low, high = around(0.2), around(0.5, seed=1)
    rows = {}
    for family in FAMILIES:
        rows |= two(low, high, family.name)
    same = claim("equal", id="same", says="x < y & alike", way="within", limit=0.1)
    wrong = claim(id="wrong", metrics=("insertion",))
    lost = claim(id="lost", target="label")
    found = verdicts([claim(id="right"), wrong, same], rows, families=FAMILIES)
    missing = verdicts([lost], {}, families=FAMILIES)
    return (*found, *missing)


def test_verdicts_are_counted(mixed):
    assert [verdict.word for verdict in mixed] == [
        "holds",
        "does not hold",
        "does not hold",
        "not measured",
    ]
    assert counted(mixed) == "4 claims on birds: 1 holds, 2 do not hold, 1 was not measured."
    assert counted(mixed[:1]) == "1 claim on birds: 1 holds."
    assert overall(mixed[0]) == "holds on birds (3 of 3)"
    assert overall(mixed[3]) == "not measured"


def test_a_difference_in_words(mixed):
    right, same = mixed[0].findings[0].compared, mixed[2].findings[0].compared
    assert difference(right).startswith("+0.300 [0.2")
    assert difference(same).startswith("-0.300 [-0.3")
    assert difference(same).endswith("] of ±0.1")
    assert difference(replace(right, difference=0.0, low=0.0, high=0.0)) == "0 throughout"
    for way, number, low, high in (("below", "0.200", 0.1, 0.2), ("above", "0.500", 0.1, 0.2)):
        limit = 0.35
        inside = replace(
            right,
            bound=way,
            second=f"{way} 0.35",
            first_value=float(number),
            second_value=limit,
            difference=0.15,
            low=low,
            high=high,
        )
        ends = "0.150, 0.250" if way == "below" else "0.450, 0.550"
        assert difference(inside) == f"{number} [{ends}] {way} 0.35"


def test_marks_lie_where_their_numbers_say(mixed):
    root = ET.fromstring(claims_plot(mixed))  # noqa: S314 - our own
    space = "{http://www.w3.org/2000/svg}"
    discs = root.findall(f"{space}circle")
    assert len(discs) == 3  # of the claim that holds; crosses where it does not
    met = mixed[0].findings[0].compared
    reach = max(one.compared.high for one in mixed[0].findings)
    for disc, finding in zip(discs, mixed[0].findings, strict=True):
        expected = MIDDLE + HALF * finding.compared.difference / reach
        assert float(disc.get("cx")) == pytest.approx(expected, abs=0.06)
        assert disc.get("fill") == disc.get("stroke")
    assert met.difference > 0
    (band, *_) = root.findall(f"{space}rect")
    assert float(band.get("x")) < MIDDLE < float(band.get("x")) + float(band.get("width"))
    words = "".join(root.itertext())
    assert "x < y & alike" in words
    assert words.count("not measured") == 4
    assert all(float(text.get("x")) < WIDTH for text in root.findall(f"{space}text"))


def test_what_has_no_interval_is_still_drawn(mixed):
    nan = float("nan")
    finding = mixed[0].findings[0]
    hollow = replace(finding, compared=replace(finding.compared, low=nan, high=nan))
    lone = replace(mixed[0], findings=(hollow,))
    root = ET.fromstring(claims_plot([lone]))  # noqa: S314 - our own
    assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 1
    assert "nan" not in claims_plot([lone]).lower()


def test_the_section_is_whole(mixed):
    section = claims_section(mixed)
    root = ET.fromstring(section)  # noqa: S314 - our own
    assert len(root.findall(".//tbody/tr")) == 4 * 3
    assert "x &lt; y &amp; alike" in section
    assert "and of nothing else: A (v A-v, c A-c); B (v B-v, c B-c); C" in section
    assert "corrected by Holm for all 9 tests" in section


def test_tables_of_verdicts_escape_bars(mixed):
    barred = replace(mixed[0], claim=replace(mixed[0].claim, says="a | b"))
    assert "a \\| b" in claims_markdown([barred])
    assert "a | b" in claims_csv([barred])
