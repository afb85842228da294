"""Lines lie where their numbers say."""

from xml.etree import ElementTree as ET

import pytest

from regionwise.report.line_chart import LEFT, PLOT_HEIGHT, PLOT_WIDTH, TOP, line_chart


def parsed(chart):
    return ET.fromstring(f"<p>{chart}</p>")  # noqa: S314 - our own


def test_a_line_goes_through_its_points():
    root = parsed(line_chart((0.0, 0.5, 1.0), {"a": (2.0, 1.0, 0.0)}, across="x", up="y"))
    text = root.find(".//polyline").get("points").replace(" ", ",")
    points = [float(value) for value in text.split(",")]
    right, bottom = LEFT + PLOT_WIDTH, TOP + PLOT_HEIGHT
    assert points == pytest.approx(
        [LEFT, TOP, (LEFT + right) / 2, (TOP + bottom) / 2, right, bottom], abs=0.06
    )


def test_what_is_not_finite_is_left_out_and_names_are_escaped():
    nan = float("nan")
    root = parsed(line_chart((0.1, 0.2), {"a<b": (nan, 1.0), "c": (nan, nan)}, across="&", up="y"))
    first, second = root.findall(".//polyline")
    assert len(first.get("points").split()) == 1
    assert second.get("points") == ""
    assert "a<b" in "".join(root.itertext())


def test_many_lines_can_be_told_apart():
    lines = {str(i): (0.0, 1.0) for i in range(20)}
    root = parsed(line_chart((0.0, 1.0), lines, across="x", up="y"))
    looks = {(p.get("stroke"), p.get("stroke-dasharray")) for p in root.findall(".//polyline")}
    assert len(looks) == 20
