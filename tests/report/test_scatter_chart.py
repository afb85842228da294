"""Dots lie where their numbers say, the better ones on top, and no name hides another."""

from xml.etree import ElementTree as ET

import pytest

from regionwise.report.scatter_chart import (
    FRONT,
    LEFT,
    PLOT_HEIGHT,
    PLOT_WIDTH,
    TOP,
    Dot,
    axes_of,
    even_ticks,
    scatter_chart,
    ticks,
)

NAN = float("nan")


def dot(name, cost, value, **more):
    return Dot(name, cost, value, more.pop("low", NAN), more.pop("high", NAN), **more)


def drawn(dots, *, up=True):
    svg, missing = scatter_chart(dots, up=up, label="a & b")
    return ET.fromstring(svg), missing  # noqa: S314 - our own


def place(root, name):
    for group in root.iter("g"):
        if group.find("title").text == name:
            circle, square = group.find("circle"), group.find("rect")
            if circle is not None:
                return float(circle.get("cx")), float(circle.get("cy"))
            return float(square.get("x")) + 4, float(square.get("y")) + 4
    raise AssertionError(name)


def test_ten_times_the_cost_is_the_same_step_everywhere():
    root, missing = drawn([dot("a", 0.01, 0.0), dot("b", 0.1, 0.5), dot("c", 1.0, 1.0)])
    (ax, ay), (bx, by), (cx, cy) = (place(root, name) for name in "abc")
    assert bx - ax == pytest.approx(cx - bx, abs=0.2)
    assert ay > by > cy  # the better, the higher up
    assert missing == []


def test_where_small_is_better_small_is_on_top():
    root, _ = drawn([dot("a", 0.01, 0.0), dot("b", 0.1, 0.5)], up=False)
    assert place(root, "a")[1] < place(root, "b")[1]


def test_the_front_is_joined_by_steps():
    dots = [dot("a", 0.01, 0.1, front=True), dot("b", 0.1, 0.5, front=True), dot("c", 0.2, 0.2)]
    root, _ = drawn(dots)
    (line,) = [p for p in root.iter("path") if p.get("stroke") == FRONT and "H" in p.get("d")]
    (ax, ay), (bx, by) = place(root, "a"), place(root, "b")
    assert line.get("d") == f"M{ax} {ay}H{bx}V{by}H{LEFT + PLOT_WIDTH}"


def test_controls_are_squares_and_intervals_are_lines():
    root, _ = drawn([dot("a", 1, 0.5, low=0.2, high=0.9), dot("centre", 1, 0.4, control=True)])
    assert len(list(root.iter("circle"))) == len(list(root.iter("rect"))) == 1
    axes = axes_of([dot("a", 1, 0.5, low=0.2, high=0.9), dot("c", 1, 0.4)], up=True)
    spans = [p.get("d") for p in root.iter("path") if p.get("stroke-opacity") == ".35"]
    assert spans == [f"M{axes.x(1):.1f} {axes.y(0.2):.1f}V{axes.y(0.9):.1f}"]
    assert axes.values[0] < 0.2
    assert axes.values[1] > 0.9


def test_a_name_without_room_is_told_instead_of_drawn():
    dots = [dot(f"a-rather-long-name-{n}", 1.0, 0.5) for n in range(30)]
    root, missing = drawn(dots)
    shown = [t.text for t in root.iter("text") if t.text.startswith("a-rather")]
    assert 0 < len(shown) < 30
    assert sorted([*shown, *missing]) == sorted(d.name for d in dots)


def test_all_dots_lie_in_the_plot_even_if_there_is_one():
    for dots in ([dot("a", 1.0, 0.5)], [dot("a", 1e-4, 0.0), dot("b", 1e4, 0.0)]):
        root, _ = drawn(dots)
        for name in (d.name for d in dots):
            x, y = place(root, name)
            assert LEFT <= x <= LEFT + PLOT_WIDTH
            assert TOP <= y <= TOP + PLOT_HEIGHT


@pytest.mark.parametrize(
    ("ends", "marks"),
    [
        ((0.005, 20.0), [0.01, 0.1, 1, 10]),
        ((0.02, 2.0), [0.03, 0.1, 0.3, 1]),
        ((0.9, 6.0), [1, 2, 5]),
        ((1.1, 1.9), [1.1, 1.9]),
    ],
)
def test_costs_are_marked_by_round_numbers(ends, marks):
    assert ticks(*ends) == pytest.approx(marks)


@pytest.mark.parametrize(
    ("ends", "marks"),
    [
        ((0.02, 0.98), [0.2, 0.4, 0.6, 0.8]),
        ((-3.0, 2.0), [-3, -2, -1, 0, 1, 2]),
        ((0.0, 12.1), [0, 5, 10]),
    ],
)
def test_values_are_marked_by_round_numbers(ends, marks):
    assert even_ticks(*ends) == pytest.approx(marks)
