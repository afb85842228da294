"""Which pictures are shown: by hand on a few numbers."""

import numpy as np
import pytest

from regionwise.benchmark.cases import cases_of, first_of
from regionwise.benchmark.per_image import PerImage, direction_of, is_control
from regionwise.benchmark.reading import Table

VALUES = {"a": 0.1, "b": 0.5, "c": 0.9, "d": 0.45, "e": 0.2, "f": 0.8}


def numbers(by_method, metric="pxap", model="net"):
    units = sorted({u for row in by_method.values() for u in row})
    columns = {m: np.array([row.get(u, np.nan) for u in units]) for m, row in by_method.items()}
    return PerImage(Table(metric, "id", model, "hash", ""), "predicted", tuple(units), columns)


def single(values):
    return {(name, -1): value for name, value in values.items()}


def test_best_worst_and_typical_take_turns_and_stand_from_worst_to_best():
    one = numbers({"cam": single(VALUES)})
    found = cases_of([one], 3, 0, higher=True)
    assert [(s.unit[0], s.why) for s in found] == [("a", "worst"), ("d", "typical"), ("c", "best")]
    assert [s.value for s in found] == [0.1, 0.45, 0.9]
    assert {s.unit[0] for s in cases_of([one], 99, 0, higher=True)} == set(VALUES)
    assert [s.unit[0] for s in cases_of([one], 2, 0, higher=False)] == ["c", "a"]
    assert cases_of([one], 0, 0, higher=True) == []


def test_a_picture_comes_once_whatever_it_is_held_against():
    pairs = {("a", 1): 0.1, ("a", 2): 0.9, ("b", 1): 0.5}
    found = cases_of([numbers({"cam": pairs})], 9, 0, higher=True)
    assert sorted(s.unit[0] for s in found) == ["a", "b"]


def test_controls_do_not_choose_nor_do_methods_on_fewer_pictures():
    few = {("a", -1): 99.0}
    control = single({name: -value for name, value in VALUES.items()})
    one = numbers({"cam": single(VALUES), "score-cam": few, "centre": control})
    assert one.mean_of_methods().tolist() == list(VALUES.values())
    assert one.row("score-cam", [("a", -1), ("b", -1), ("z", -1)])[0] == 99.0
    assert np.isnan(one.row("score-cam", [("b", -1), ("z", -1)])).all()
    assert one.means([("b", -1)]) == [0.5]
    assert np.isnan(numbers({"centre": control}).mean_of_methods()).all()


def test_networks_count_alike():
    first = numbers({"cam": single({"a": 0.0, "b": 1.0})})
    second = numbers({"cam": single({"a": 1.0, "b": 0.2})}, model="other")
    found = cases_of([first, second], 2, 0, higher=True)
    assert [(s.unit[0], s.value) for s in found] == [("a", 0.5), ("b", 0.6)]


def test_ties_are_broken_by_the_samples_own_order_not_by_name():
    one = numbers({"cam": single(dict.fromkeys("abcdefgh", 1.0))})
    shown = {cases_of([one], 1, seed, higher=True)[0].unit[0] for seed in range(12)}
    assert len(shown) > 2


def test_without_numbers_the_first_of_the_sample_are_shown():
    found = first_of([("a", 1), ("a", 2), ("b", 1)], 9, 0)
    assert sorted(s.unit[0] for s in found) == ["a", "b"]
    assert {s.why for s in found} == {"sample"}
    assert len(first_of([("a", -1), ("b", -1)], 1, 0)) == 1


@pytest.mark.parametrize(
    ("metric", "way"), [("pxap", "higher"), ("deletion:steps=9", "lower"), ("area", "none")]
)
def test_the_direction_is_the_metrics(metric, way):
    assert direction_of(numbers({"cam": single(VALUES)}, metric)) == way


def test_controls_are_known_by_name():
    assert [m for m in ("centre", "random:seed=3", "edges", "cam") if not is_control(m)] == ["cam"]
